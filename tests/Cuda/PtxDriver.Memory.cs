using System.Runtime.InteropServices;
using OllmNative.Runtime.Cuda;
using OllmNative.Tests.Ptx;

namespace OllmNative.Tests.Cuda;

internal sealed unsafe partial class PtxDriver
{
    // Portable, mapped into the device's addresses, write-combined.
    private const uint HostFlags = 1 | 2 | 4;

    private sealed record HostBlock(nint Address, long Bytes);

    private readonly List<HostBlock> _hostBlocks = [];

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
            if (Unsafe("cuMemAlloc") is var unsafeNow && unsafeNow != 0) return unsafeNow;
            if (bytes == 0) return Refuse(CuResult.InvalidValue, "cuMemAlloc of nothing");
            if ((long)bytes > MemoryBytes - Memory.Bytes) return CuResult.OutOfMemory;
            var data = new byte[bytes];
            Array.Fill(data, (byte)0xCD); // whatever was there before
            address = (nint)Memory.Allocate(data);
            return CuResult.Success;
        }
    }

    public CuResult MemFree(nint address)
    {
        lock (_gate)
        {
            if (Enter() is var bad && bad != 0) return bad;
            if (Unsafe("cuMemFree") is var unsafeNow && unsafeNow != 0) return unsafeNow;
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
            if (Unsafe("cuMemHostAlloc") is var unsafeNow && unsafeNow != 0) return unsafeNow;
            if (bytes == 0 || (flags & ~HostFlags) != 0) return Refuse(CuResult.InvalidValue, $"cuMemHostAlloc of {bytes} bytes with flags {flags}");
            address = (nint)NativeMemory.AllocZeroed(bytes);
            var block = new HostBlock(address, (long)bytes);
            _live[address] = block;
            _hostBlocks.Add(block);
            return CuResult.Success;
        }
    }

    public CuResult MemFreeHost(nint address)
    {
        lock (_gate)
        {
            if (Enter() is var bad && bad != 0) return bad;
            if (Unsafe("cuMemFreeHost") is var unsafeNow && unsafeNow != 0) return unsafeNow;
            if (Get<HostBlock>(address) is not { } block) return Refuse(CuResult.InvalidValue, "cuMemFreeHost of memory that is not page-locked");
            DrainAll();
            _live.Remove(address);
            _hostBlocks.Remove(block);
            NativeMemory.Free((void*)address);
            return CuResult.Success;
        }
    }

    public CuResult MemcpyHtoDAsync(nint target, nint source, nuint bytes, nint stream)
    {
        lock (_gate)
        {
            if (Enter() is var bad && bad != 0) return bad;
            if (Get<Stream>(stream) is not { } s) return Refuse(CuResult.InvalidHandle, "cuMemcpyHtoDAsync: no such stream");
            if (bytes == 0) return CuResult.Success;
            bool locked = IsLocked(source, bytes);
            if (!locked && s.Captured is not null) return Pageable(s, "cuMemcpyHtoDAsync");
            if (IgnoresLaunches) return CuResult.Success;
            // Ordinary memory is read before the call returns, page-locked memory when its turn comes. A graph reads it at each launch.
            byte[]? staged = locked ? null : new ReadOnlySpan<byte>((void*)source, (int)bytes).ToArray();
            return Give(s, new Work("copy in", null, () =>
            {
                if (staged is null && !IsLocked(source, bytes)) throw new PtxException("a copy from page-locked memory that is gone");
                (staged ?? new ReadOnlySpan<byte>((void*)source, (int)bytes)).CopyTo(Memory.At((ulong)target, (int)bytes, "a copy"));
            }));
        }
    }

    public CuResult MemcpyDtoHAsync(nint target, nint source, nuint bytes, nint stream)
    {
        lock (_gate)
        {
            if (Enter() is var bad && bad != 0) return bad;
            if (Get<Stream>(stream) is not { } s) return Refuse(CuResult.InvalidHandle, "cuMemcpyDtoHAsync: no such stream");
            if (bytes == 0) return CuResult.Success;
            bool locked = IsLocked(target, bytes);
            if (!locked && s.Captured is not null) return Pageable(s, "cuMemcpyDtoHAsync");
            if (IgnoresLaunches) return CuResult.Success;
            return Give(s, new Work("copy out", null, () =>
            {
                if (locked && !IsLocked(target, bytes)) throw new PtxException("a copy to page-locked memory that is gone");
                Memory.At((ulong)source, (int)bytes, "a copy").CopyTo(new Span<byte>((void*)target, (int)bytes));
            }));
        }
    }

    public CuResult MemcpyDtoDAsync(nint target, nint source, nuint bytes, nint stream)
    {
        lock (_gate)
        {
            if (Enter() is var bad && bad != 0) return bad;
            if (Get<Stream>(stream) is not { } s) return Refuse(CuResult.InvalidHandle, "cuMemcpyDtoDAsync: no such stream");
            if (bytes == 0 || IgnoresLaunches) return CuResult.Success;
            return Give(s, new Work("copy", null, () => Memory.At((ulong)source, (int)bytes, "a copy").CopyTo(Memory.At((ulong)target, (int)bytes, "a copy"))));
        }
    }

    public CuResult MemsetD8Async(nint target, byte value, nuint bytes, nint stream)
    {
        lock (_gate)
        {
            if (Enter() is var bad && bad != 0) return bad;
            if (Get<Stream>(stream) is not { } s) return Refuse(CuResult.InvalidHandle, "cuMemsetD8Async: no such stream");
            if (bytes == 0 || IgnoresLaunches) return CuResult.Success;
            return Give(s, new Work("fill", null, () => Memory.At((ulong)target, (int)bytes, "a fill").Fill(value)));
        }
    }

    /// <summary>Whether it lies within one page-locked block.</summary>
    private bool IsLocked(nint start, nuint bytes)
    {
        foreach (HostBlock block in _hostBlocks)
            if (start >= block.Address && start + (nint)bytes <= block.Address + (nint)block.Bytes) return true;
        return false;
    }

    private CuResult Pageable(Stream stream, string call)
    {
        stream.CaptureSpoilt = true;
        return Refuse(CuResult.StreamCaptureUnsupported, $"{call}: ordinary memory while the stream is captured");
    }
}
