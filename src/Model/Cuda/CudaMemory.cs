#if ILGPU
using ILGPU;
using ILGPU.Runtime;
#else
using OllmNative.Runtime.Language;
#endif

namespace OllmNative.Model.Cuda;

/// <summary>Device memory. It counts and remembers what was written, so that copies in another form know when they are old.</summary>
internal sealed class CudaBuffer<T> : DeviceBuffer<T> where T : unmanaged
{
    // The parts that were written last, the newest at Version - 1 modulo their number.
    private readonly (long First, long End)[] _written = new (long, long)[16];
    private readonly MemoryBuffer1D<T, Stride1D.Dense> _memory;
    private readonly AcceleratorStream _queue;
#if !ILGPU
    private readonly UploadRing? _uploads;

    /// <summary>Uploads go through a ring of page-locked memory where there is one.</summary>
    public CudaBuffer(Accelerator accelerator, AcceleratorStream queue, long length, UploadRing? uploads) : this(accelerator, queue, length) => _uploads = uploads;
#endif

    public CudaBuffer(Accelerator accelerator, AcceleratorStream queue, long length) : base(length)
    {
        // An empty allocation is an error on a GPU.
        _memory = accelerator.Allocate1D<T>(Math.Max(1, length));
        _queue = queue;
        _memory.AsContiguous().MemSetToZero(queue);
    }

    /// <summary>How often it was written.</summary>
    public long Version { get; private set; }

    /// <summary>A part to read.</summary>
    public ArrayView<T> Read(long offset, long length) => _memory.AsContiguous().SubView(offset, length);

    /// <summary>A part to write.</summary>
    public ArrayView<T> Write(long offset, long length)
    {
        _written[Version++ % _written.Length] = (offset, offset + length);
        return Read(offset, length);
    }

    /// <summary>Whether a part is surely as it was at an earlier version. Activations lie side by side in one buffer, so others are written all the time.</summary>
    public bool IsAsAt(long version, long offset, long length)
    {
        if (Version - version > _written.Length) return false;
        for (long at = version; at < Version; at++)
        {
            (long first, long end) = _written[at % _written.Length];
            if (first < offset + length && offset < end) return false;
        }
        return true;
    }

    public override void Upload(long offset, ReadOnlySpan<T> source)
    {
        ArrayView1D<T, Stride1D.Dense> target = Write(offset, source.Length);
        if (source.Length == 0) return;
#if !ILGPU
        if (_uploads is not null)
        {
            _uploads.Upload(target, source);
            return;
        }
#endif
        target.CopyFromCPU(_queue, source);
    }

    public override void Download(long offset, Span<T> destination)
    {
        ArrayView1D<T, Stride1D.Dense> source = Read(offset, destination.Length);
        if (destination.Length > 0) source.CopyToCPU(_queue, destination);
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing) _memory.Dispose();
    }
}

/// <summary>A weight matrix on the device: f32, a part of a parameter buffer or its own, or 16-bit in its own memory.</summary>
internal sealed class CudaMatrix : DeviceMatrix
{
    private readonly CudaBuffer<float>? _floats, _scales;
    private readonly CudaBuffer<ushort>? _words;

    public CudaMatrix(CudaBuffer<float> floats, long offset, int rows, int columns) : base(DType.F32, rows, columns) => (_floats, Offset) = (floats, offset);

    public CudaMatrix(CudaBuffer<ushort> words, DType type, int rows, int columns) : base(type, rows, columns) => _words = words;

    /// <summary>Bytes, two to a word, with a scale for each row.</summary>
    public CudaMatrix(CudaBuffer<ushort> bytes, CudaBuffer<float> scales, int rows, int columns) : base(DType.I8, rows, columns) => (_words, _scales) = (bytes, scales);

    /// <summary>Whether the elements are bytes.</summary>
    public bool IsBytes => _scales is not null;

    /// <summary>Scales of the rows of a matrix of bytes.</summary>
    public Floats Scales => _scales!.Read(0, Rows);

    /// <summary>Whether the elements are f32.</summary>
    public bool IsFloat => _floats is not null;

    /// <summary>First element within the memory; 0 for 16-bit weights.</summary>
    public long Offset { get; }

    /// <summary>The elements of an f32 matrix.</summary>
    public Floats Floats => _floats!.Read(Offset, (long)Rows * Columns);

    /// <summary>The elements of an f32 matrix, to write.</summary>
    public Floats WritableFloats => _floats!.Write(Offset, (long)Rows * Columns);

    /// <summary>The elements of a 16-bit matrix, or pairs of bytes.</summary>
    public Words Words => _words!.Read(0, (long)Rows * Columns / (IsBytes ? 2 : 1));

    /// <summary>How the kernels read the words.</summary>
    public int WordType => DType == DType.F16 ? Kernels.Weights16.F16 : Kernels.Weights16.Bf16;

    /// <summary>Version of the memory.</summary>
    public long Version => _floats?.Version ?? 0;

    /// <summary>The same memory with fewer rows.</summary>
    public CudaMatrix FirstRows(int rows) => _floats is not null ? new(_floats, Offset, rows, Columns)
        : _scales is not null ? new(_words!, _scales, rows, Columns)
        : new(_words!, DType, rows, Columns);

    /// <summary>A bf16 copy of an f32 matrix for the tensor cores, kept while the matrix stays as it is.</summary>
    public CudaBuffer<ushort>? Shadow { get; set; }

    /// <summary>Version of the memory that the shadow was made from.</summary>
    public long ShadowVersion { get; set; } = -1;
}
