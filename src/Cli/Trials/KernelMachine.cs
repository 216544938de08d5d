using OllmNative.Model;
using OllmNative.Runtime.Cuda;
using OllmNative.Runtime.Emulator;
using OllmNative.Runtime.Language;

namespace OllmNative.Cli.Trials;

/// <summary>An open accelerator by the name that the command line has for it.</summary>
internal sealed class KernelMachine : IDisposable
{
    private readonly Context _context;

    private KernelMachine(Context context, Device device)
    {
        _context = context;
        Accelerator = device.CreateAccelerator(context);
    }

    /// <summary>Where kernels run.</summary>
    public Accelerator Accelerator { get; }

    /// <summary>Whether it is a GPU; otherwise the emulator.</summary>
    public bool IsGpu => Accelerator is CudaAccelerator;

    /// <summary>Opens <c>cuda</c>, <c>emulator</c>, or with <c>auto</c> the first of them that there is.</summary>
    /// <exception cref="OllmException">There is no GPU that can be used.</exception>
    public static KernelMachine Open(string device)
    {
        CudaProbe probe = CudaDriver.Probe();
        bool gpu = probe.Gpus.Any(found => found.Refusal is null);
        if (device == "cuda" && !gpu) throw new OllmException($"--device cuda: {probe.Message}; expected a GPU, or --device emulator");
        var context = Context.CreateDefault();
        try
        {
            return new KernelMachine(context, device == "emulator" || !gpu ? context.GetCPUDevice(0) : context.GetCudaDevice(0));
        }
        catch
        {
            context.Dispose();
            throw;
        }
    }

    public void Dispose()
    {
        Accelerator.Dispose();
        _context.Dispose();
    }
}
