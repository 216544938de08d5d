using System.Runtime.InteropServices;
using OllmNative.Runtime.Cuda;

namespace OllmNative.Tests.Cuda;

internal sealed unsafe partial class PtxDriver
{
    private sealed record HostBlock(nint Address, long Bytes);

    /// <summary>The most bytes that were allocated at one time, by cuMemAlloc.</summary>
    public long PeakBytes { get; private set; }

    public CuResult MemGetInfo(out nuint free, out nuint total)
    {
        (free, total) = ((nuint)(MemoryBytes - Memory.Bytes), (nuint)MemoryBytes);
        return Enter();
    }

    public CuResult MemAlloc(out nint address, nuint bytes)
    {
        address = 0;
        lock (_gate)
        {
            if (Enter() is var bad && bad != 0) return bad;
            if (bytes == 0) return CuResult.InvalidValue;
            if ((long)bytes > MemoryBytes - Memory.Bytes) return CuResult.OutOfMemory;
            var data = new byte[bytes];
            Array.Fill(data, (byte)0xCD); // whatever was there before
            address = (nint)Memory.Allocate(data);
            PeakBytes = Math.Max(PeakBytes, Memory.Bytes);
            return CuResult.Success;
        }
    }

    public CuResult MemFree(nint address)
    {
        lock (_gate)
        {
            if (Enter() is var bad && bad != 0) return bad;
            DrainAll();
            return _sticky != 0 ? _sticky : Memory.Free((ulong)address) ? CuResult.Success : CuResult.InvalidValue;
        }
    }

    public CuResult MemHostAlloc(out nint address, nuint bytes, uint flags)
    {
        address = 0;
        lock (_gate)
        {
            if (Enter() is var bad && bad != 0) return bad;
            address = (nint)NativeMemory.Alloc(bytes);
            _live[address] = new HostBlock(address, (long)bytes);
            return CuResult.Success;
        }
    }

    public CuResult MemFreeHost(nint address)
    {
        lock (_gate)
        {
            if (Enter() is var bad && bad != 0) return bad;
            if (Get<HostBlock>(address) is null) return CuResult.InvalidValue;
            DrainAll();
            _live.Remove(address);
            NativeMemory.Free((void*)address);
            return CuResult.Success;
        }
    }

    public CuResult MemcpyHtoDAsync(nint target, nint source, nuint bytes, nint stream)
    {
        lock (_gate)
        {
            if (Enter() is var bad && bad != 0) return bad;
            if (Get<Stream>(stream) is not { } s) return CuResult.InvalidHandle;
            // Ordinary memory is read before the call returns, page-locked memory when its turn comes. A graph reads it at each launch.
            bool now = s.Captured is null && !_live.Values.OfType<HostBlock>().Any(block => source >= block.Address && source < block.Address + block.Bytes);
            byte[]? staged = now ? new ReadOnlySpan<byte>((void*)source, (int)bytes).ToArray() : null;
            return Give(s, new Work("copy in", null, () => (staged is null ? new ReadOnlySpan<byte>((void*)source, (int)bytes) : staged).CopyTo(Memory.At((ulong)target, (int)bytes, "a copy"))));
        }
    }

    public CuResult MemcpyDtoHAsync(nint target, nint source, nuint bytes, nint stream)
    {
        lock (_gate)
        {
            if (Enter() is var bad && bad != 0) return bad;
            return Get<Stream>(stream) is { } s
                ? Give(s, new Work("copy out", null, () => Memory.At((ulong)source, (int)bytes, "a copy").CopyTo(new Span<byte>((void*)target, (int)bytes))))
                : CuResult.InvalidHandle;
        }
    }

    public CuResult MemcpyDtoDAsync(nint target, nint source, nuint bytes, nint stream)
    {
        lock (_gate)
        {
            if (Enter() is var bad && bad != 0) return bad;
            return Get<Stream>(stream) is { } s
                ? Give(s, new Work("copy", null, () => Memory.At((ulong)source, (int)bytes, "a copy").CopyTo(Memory.At((ulong)target, (int)bytes, "a copy"))))
                : CuResult.InvalidHandle;
        }
    }

    public CuResult MemsetD8Async(nint target, byte value, nuint bytes, nint stream)
    {
        lock (_gate)
        {
            if (Enter() is var bad && bad != 0) return bad;
            return Get<Stream>(stream) is { } s ? Give(s, new Work("fill", null, () => Memory.At((ulong)target, (int)bytes, "a fill").Fill(value))) : CuResult.InvalidHandle;
        }
    }
}
