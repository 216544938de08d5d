using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using OllmNative.Runtime.Language;

namespace OllmNative.Runtime.Emulator;

/// <summary>The shared memory of one group: the dynamic part first, then the static allocations in order.</summary>
internal sealed unsafe class SharedArena : MemoryBuffer
{
    /// <summary>Static shared memory of a group on every CUDA device.</summary>
    public const int StaticLimit = 48 * 1024;

    private readonly List<(int Offset, int Bytes)> _allocations = [];
    private int _dynamicBytes;
    private int _used;

    public SharedArena(Accelerator accelerator, EmulatedGroup group, bool raceCheck) : base(accelerator, accelerator.MaxSharedMemoryPerGroup, 1)
    {
        NativePtr = (nint)NativeMemory.AlignedAlloc((nuint)LengthInBytes, 1024);
        if (raceCheck) Races = new SharedRaces(group, NativePtr, (int)LengthInBytes);
    }

    public void Reset(int dynamicBytes)
    {
        _allocations.Clear();
        _dynamicBytes = dynamicBytes;
        _used = Align(dynamicBytes);
        Scribble(0, dynamicBytes);
        Races?.Reset();
    }

    /// <summary>The allocation that is a thread's <paramref name="number"/>-th: made by the first thread, found by the others.</summary>
    public ArrayView<T> Allocate<T>(int number, int extent) where T : unmanaged
    {
        int bytes = checked(extent * sizeof(T));
        if (number == _allocations.Count)
        {
            if (bytes >= 1024) _used = (_used + 1023) & ~1023; // as tensor copies want their tiles
            if (_used - Align(_dynamicBytes) + bytes > StaticLimit)
                throw EmulatedThread.Error($"static shared memory of more than {StaticLimit} bytes; ask for dynamic memory in the launch instead");
            if (_used + bytes > LengthInBytes)
                throw EmulatedThread.Error($"{_used + bytes} bytes of shared memory; a group can have {LengthInBytes}");
            _allocations.Add((_used, bytes));
            Scribble(_used, bytes);
            _used += Align(bytes);
        }

        (int offset, int size) = _allocations[number];
        if (size != bytes) throw EmulatedThread.Error($"shared allocation {number} has {bytes} bytes in this thread and {size} in another");
        return new ArrayView<T>(NativePtr + offset, extent, this);
    }

    public ArrayView<T> Dynamic<T>() where T : unmanaged => new(NativePtr, _dynamicBytes / sizeof(T), this);

    public override void MemSet(AcceleratorStream stream, byte value, long targetOffsetInBytes, long length) => throw Unreachable();
    protected internal override void CopyFromHost(AcceleratorStream stream, nint source, long targetOffsetInBytes, long lengthInBytes) => throw Unreachable();
    protected internal override void CopyToHost(AcceleratorStream stream, nint target, long sourceOffsetInBytes, long lengthInBytes) => throw Unreachable();
    protected internal override void CopyFromDevice(AcceleratorStream stream, nint source, long targetOffsetInBytes, long lengthInBytes) => throw Unreachable();

    protected override void Dispose(bool disposing)
    {
        NativeMemory.AlignedFree((void*)NativePtr);
        NativePtr = 0;
        base.Dispose(disposing);
    }

    private static InvalidOperationException Unreachable() => new("the host cannot copy to or from shared memory");
    private static int Align(int bytes) => (bytes + 127) & ~127;

    // Undefined contents should be seen as such: all ones are NaN as floats and -1 as integers.
    private void Scribble(int offset, int bytes) => Unsafe.InitBlock((void*)(NativePtr + offset), 0xff, (uint)bytes);
}

/// <summary>What views of local memory point to.</summary>
internal sealed class LocalBuffer(Accelerator accelerator) : MemoryBuffer(accelerator, 0, 1)
{
    public override void MemSet(AcceleratorStream stream, byte value, long targetOffsetInBytes, long length) => throw Unreachable();
    protected internal override void CopyFromHost(AcceleratorStream stream, nint source, long targetOffsetInBytes, long lengthInBytes) => throw Unreachable();
    protected internal override void CopyToHost(AcceleratorStream stream, nint target, long sourceOffsetInBytes, long lengthInBytes) => throw Unreachable();
    protected internal override void CopyFromDevice(AcceleratorStream stream, nint source, long targetOffsetInBytes, long lengthInBytes) => throw Unreachable();
    private static InvalidOperationException Unreachable() => new("the host cannot copy to or from local memory");
}

/// <summary>Local memory of one thread, given back when it finishes.</summary>
internal sealed unsafe class LocalArena : IDisposable
{
    private readonly List<nint> _blocks = [];

    public nint Allocate(long bytes)
    {
        var block = (nint)NativeMemory.AlignedAlloc((nuint)Math.Max(bytes, 16), 16);
        Unsafe.InitBlock((void*)block, 0xff, checked((uint)bytes));
        _blocks.Add(block);
        return block;
    }

    public void Reset()
    {
        foreach (nint block in _blocks) NativeMemory.AlignedFree((void*)block);
        _blocks.Clear();
    }

    public void Dispose() => Reset();
}
