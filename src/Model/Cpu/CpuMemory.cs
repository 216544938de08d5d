using System.Runtime.InteropServices;

namespace OllmNative.Model.Cpu;

/// <summary>Cache-line aligned native memory.</summary>
internal sealed unsafe class CpuBuffer<T> : DeviceBuffer<T> where T : unmanaged
{
    private const int Alignment = 64;
    private const nuint LargeBlock = 4 << 20;

    private readonly void* _block;

    public CpuBuffer(long length) : base(length)
    {
        // Large blocks come zeroed from the system, page by page as they are touched: a cache for long contexts costs what is used.
        nuint bytes = checked((nuint)Math.Max(1, length) * (nuint)sizeof(T));
        _block = NativeMemory.AllocZeroed(bytes + Alignment);
        Pointer = (T*)(((nuint)_block + Alignment - 1) & ~(nuint)(Alignment - 1));
        if (bytes >= LargeBlock) HugePages.Ask(Pointer, bytes);
        GC.AddMemoryPressure((long)bytes);
    }

    ~CpuBuffer() => Dispose(false);

    public T* Pointer { get; private set; }

    public override void Upload(long offset, ReadOnlySpan<T> source) => source.CopyTo(new Span<T>(Pointer + offset, source.Length));

    public override void Download(long offset, Span<T> destination) => new ReadOnlySpan<T>(Pointer + offset, destination.Length).CopyTo(destination);

    protected override void Dispose(bool disposing)
    {
        if (Pointer == null) return;
        NativeMemory.Free(_block);
        Pointer = null;
        GC.RemoveMemoryPressure(Math.Max(1, Length) * sizeof(T));
    }
}

/// <summary>Pages of 2 MB for large blocks: a product touches hundreds of rows far apart, more than the processor keeps addresses of small pages.</summary>
internal static unsafe partial class HugePages
{
    private const int PageSize = 4096, UseHugePages = 14; // MADV_HUGEPAGE

    /// <summary>Asks for them where the system has them; nothing depends on the answer.</summary>
    public static void Ask(void* start, nuint bytes)
    {
        if (!OperatingSystem.IsLinux()) return;
        nuint first = ((nuint)start + PageSize - 1) & ~(nuint)(PageSize - 1), end = ((nuint)start + bytes) & ~(nuint)(PageSize - 1);
        _ = Advise((void*)first, end - first, UseHugePages);
    }

    [LibraryImport("libc", EntryPoint = "madvise")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Advise(void* start, nuint length, int advice);
}

/// <summary>A weight matrix in memory: mapped from a file, or part of a parameter buffer. Holds on to its owner.</summary>
internal sealed unsafe class CpuMatrix(object owner, byte* data, DType type, int rows, int columns, float* scales = null) : DeviceMatrix(type, rows, columns)
{
    /// <summary>What must stay alive as long as the pointer is used.</summary>
    public object Owner { get; } = owner;

    public byte* Data { get; } = data;

    /// <summary>The factor of each row when the elements are quantised; null otherwise.</summary>
    public float* Scales { get; } = scales;

    /// <summary>The whole matrix as packed panels, for small weights that never change; null for others.</summary>
    public CpuBuffer<float>? Panels { get; init; }

    public byte* Row(long index) => Data + index * Columns * DType.Size();
}
