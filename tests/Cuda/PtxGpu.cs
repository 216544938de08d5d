using OllmNative.Runtime.Cuda;
using OllmNative.Runtime.Language;

namespace OllmNative.Tests.Cuda;

/// <summary>An accelerator on a driver of our own, with nothing shared with other tests; no cache unless one is given.</summary>
internal sealed class PtxGpu : IDisposable
{
    private readonly Context _context;

    public PtxGpu(PtxDriver? driver = null, KernelCache? cache = null)
    {
        Driver = driver ?? new PtxDriver();
        CudaDevice device = CudaDevice.Find(Driver, CudaDriver.Ask(Driver)).First();
        _context = Context.Create(builder => builder.With(device));
        Accelerator = new CudaAccelerator(_context, device, cache ?? new KernelCache(null));
    }

    public PtxDriver Driver { get; }

    public CudaAccelerator Accelerator { get; }

    /// <summary>Closes the accelerator and holds the driver's books against it.</summary>
    public void Close()
    {
        Accelerator.Dispose();
        Accelerator.Dispose();
        Assert.Empty(Driver.Leaks());
    }

    public void Dispose()
    {
        Accelerator.Dispose();
        _context.Dispose();
        Driver.Dispose();
    }
}
