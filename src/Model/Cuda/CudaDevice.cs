#if ILGPU
using ILGPU;
using ILGPU.Runtime;
#else
using OllmNative.Runtime.Cuda;
using OllmNative.Runtime.Language;
#endif

namespace OllmNative.Model.Cuda;

/// <summary>
/// The operations as launches of the kernels in src/Kernels, on any accelerator of the kernel language: a GPU, or the emulator. Each
/// group of operations is in a file of its own. Launches follow each other on one queue; only downloads wait,
/// and copies beside the work have a second one. Sums have a fixed order, so the same calls give the same bits.
/// </summary>
public sealed partial class CudaDevice : ComputeDevice
{
    private const int Threads = 256;

    private readonly Accelerator _accelerator;
    private readonly Queue _queue;
    private readonly IDisposable? _owner;
    private readonly CudaDeviceOptions _options;
    private readonly bool _borrowed;
    private readonly List<IDisposable> _scratch = [];

    /// <summary>Runs on an open accelerator, which the device then disposes of.</summary>
    /// <param name="accelerator">Where the kernels run.</param>
    /// <param name="options">Which kernels are taken; null takes what suits the accelerator.</param>
    /// <param name="owner">Disposed of after the accelerator: the context.</param>
    public CudaDevice(Accelerator accelerator, CudaDeviceOptions? options = null, IDisposable? owner = null)
    {
        ArgumentNullException.ThrowIfNull(accelerator);
        (_accelerator, _owner, _options) = (accelerator, owner, options ?? CudaDeviceOptions.For(accelerator));
        _queue = accelerator.CreateStream();
#if !ILGPU
        if (accelerator is CudaAccelerator gpu) gpu.Overlaps = _options.Has(KernelVersions.Overlap);
#endif
        OpenTransfers();
    }

    /// <summary>Runs on an accelerator that stays open when the device is disposed of.</summary>
    internal static CudaDevice Borrowing(Accelerator accelerator, CudaDeviceOptions options) => new(accelerator, options, borrowed: true);

    private CudaDevice(Accelerator accelerator, CudaDeviceOptions options, bool borrowed) : this(accelerator, options) => _borrowed = borrowed;

    /// <inheritdoc/>
    public override string Description => _accelerator.AcceleratorType == AcceleratorType.CPU ? "emulator" : $"cuda ({_accelerator.Name})";

    /// <summary>Where the kernels run.</summary>
    public Accelerator Accelerator => _accelerator;

    /// <inheritdoc/>
    public override DeviceBuffer<T> Allocate<T>(long length) => NewBuffer<T>(length);

    /// <inheritdoc/>
    public override DeviceMatrix Matrix(MappedTensor tensor)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        if (tensor.Shape.Count != 2 || tensor.DType is not (DType.F32 or DType.F16 or DType.BF16))
        {
            throw new OllmException(
                $"{tensor.File}: tensor '{tensor.Name}' is {tensor.DType.Name()} {tensor.ShapeText}; expected a matrix of F32, F16 or BF16");
        }
        (int rows, int columns) = (checked((int)tensor.Shape[0]), checked((int)tensor.Shape[1]));
        return tensor.DType == DType.F32
            ? new CudaMatrix(Uploaded<float>(tensor), 0, rows, columns)
            : new CudaMatrix(Uploaded<ushort>(tensor), tensor.DType, rows, columns);
    }

    /// <inheritdoc/>
    public override DeviceMatrix Matrix(DeviceView<float> parameters, int rows, int columns)
    {
        Expect(parameters.Length == (long)rows * columns, "a matrix needs rows x columns parameters");
        return new CudaMatrix((CudaBuffer<float>)parameters.Buffer!, parameters.Offset, rows, columns);
    }

    /// <inheritdoc/>
    public override DeviceMatrix FirstRows(DeviceMatrix matrix, int rows)
    {
        ArgumentNullException.ThrowIfNull(matrix);
        Expect(rows >= 0 && rows <= matrix.Rows, "FirstRows: rows of the matrix");
        return ((CudaMatrix)matrix).FirstRows(rows);
    }

    /// <inheritdoc/>
    public override void Clear(DeviceView<float> x)
    {
        if (x.Length > 0) Out(x).MemSetToZero(_queue);
    }

    /// <inheritdoc/>
    public override void Copy(DeviceView<float> source, DeviceView<float> destination)
    {
        Expect(source.Length == destination.Length, "Copy: equal lengths");
        if (source.Length > 0) In(source).CopyTo(_queue, Out(destination));
    }

    /// <inheritdoc/>
    public override void Synchronize() => _queue.Synchronize();

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (!disposing) return;
        ForgetRecordings();
        foreach (IDisposable scratch in _scratch) scratch.Dispose();
        CloseTransfers();
        _queue.Dispose();
        if (!_borrowed) _accelerator.Dispose();
        _owner?.Dispose();
    }

    /// <summary>Zeroed memory.</summary>
    /// <exception cref="OllmException">The GPU has not so much left; says how much was asked for and how much there is.</exception>
    private CudaBuffer<T> NewBuffer<T>(long length) where T : unmanaged
    {
#if ILGPU
        return new CudaBuffer<T>(_accelerator, _queue, length);
#else
        try
        {
            return new CudaBuffer<T>(_accelerator, _queue, length, _uploads);
        }
        catch (CudaException error) when (error.Result == CuResult.OutOfMemory)
        {
            throw new OllmException($"the memory of {_accelerator.Name} is not enough: {error.Message}. A smaller --batch-size or --max-length needs less", error);
        }
#endif
    }

    /// <summary>The tensor's bytes on the device; they live as long as the device.</summary>
    private CudaBuffer<T> Uploaded<T>(MappedTensor tensor) where T : unmanaged
    {
        CudaBuffer<T> buffer = NewBuffer<T>(tensor.ElementCount);
        _scratch.Add(buffer);
        buffer.Upload(0, tensor.AsSpan<T>());
        return buffer;
    }

    /// <summary>What a kernel reads; an absent operand is an empty view.</summary>
    private static ArrayView<T> In<T>(DeviceView<T> view) where T : unmanaged =>
        view.Buffer is null ? default : ((CudaBuffer<T>)view.Buffer).Read(view.Offset, view.Length);

    /// <summary>What a kernel writes.</summary>
    private static ArrayView<T> Out<T>(DeviceView<T> view) where T : unmanaged =>
        view.Buffer is null ? default : ((CudaBuffer<T>)view.Buffer).Write(view.Offset, view.Length);

    /// <summary>Memory between launches. It grows to the largest size asked for and stays; launches on one queue may share it.</summary>
    private CudaBuffer<T> Scratch<T>(ref CudaBuffer<T>? buffer, long length) where T : unmanaged
    {
        if (buffer is null || buffer.Length < length)
        {
            if (buffer is not null)
            {
                _queue.Synchronize();
                ForgetRecordings();
                _scratch.Remove(buffer);
                buffer.Dispose();
            }
            buffer = NewBuffer<T>(length);
            _scratch.Add(buffer);
        }
        return buffer;
    }

    /// <summary>One thread for each of <paramref name="count"/> elements.</summary>
    private static Launch Each(long count) => new(checked((int)((count + Threads - 1) / Threads)), Threads);

    /// <summary>One group for each row.</summary>
    private Launch RowGroups(long rows, int columns)
    {
        int threads = _options.Plain || columns <= 128 ? 32 : columns <= 1024 ? 128 : columns <= 16384 ? Threads : 1024;
        return new(checked((int)rows), threads);
    }

    /// <summary>A shape mistake is a bug of the caller, not of the user.</summary>
    private static void Expect(bool condition, string what)
    {
        if (!condition) throw new ArgumentException(what);
    }
}
