using OllmNative.Runtime.Extensions;
using OllmNative.Runtime.Language;

namespace OllmNative.Runtime.Emulator;

/// <summary>A transaction barrier of a group. Its tensor copies take place when somebody waits for them.</summary>
internal sealed class EmulatedBarrier(EmulatedGroup group)
{
    private readonly Queue<(TensorMap Map, nint Target, int X, int Y)> _copies = new();
    private readonly List<EmulatedThread> _waiting = [];
    private int _arrivals;
    private int _pending;
    private long _bytes;
    private int _parity;

    public void Init(int arrivals)
    {
        if (arrivals < 1) throw EmulatedThread.Error($"a barrier of {arrivals} arrivals");
        _copies.Clear();
        _waiting.Clear();
        (_arrivals, _pending, _bytes, _parity) = (arrivals, arrivals, 0, 0);
    }

    public void Arrive(int bytes)
    {
        if (_arrivals == 0) throw EmulatedThread.Error("an arrival at a barrier that was not initialised");
        _bytes += bytes;
        _pending--;
        Advance();
    }

    public void Add(TensorMap map, nint target, int x, int y)
    {
        _copies.Enqueue((map, target, x, y));
        Advance();
    }

    public void Wait(EmulatedThread thread, int parity)
    {
        if (_arrivals == 0) throw EmulatedThread.Error("a wait at a barrier that was not initialised");
        while (_parity == parity)
        {
            _waiting.Add(thread);
            Advance();
            if (_parity == parity) group.WaitAtBarrier(thread);
        }
        _waiting.Remove(thread);
    }

    /// <summary>Copies where somebody waits, and begins the next phase when this one's arrivals and bytes have come.</summary>
    private void Advance()
    {
        while (_pending == 0 && _waiting.Count > 0 && _copies.TryDequeue(out (TensorMap Map, nint Target, int X, int Y) copy))
        {
            EmulatedTensorCopy.Perform(copy.Map, copy.Target, copy.X, copy.Y);
            _bytes -= copy.Map.BoxBytes;
        }
        if (_pending != 0 || _bytes != 0) return;
        _parity ^= 1;
        _pending = _arrivals;
        group.Released(_waiting);
        _waiting.Clear();
    }
}

/// <summary>A box from global to shared memory.</summary>
internal static unsafe class EmulatedTensorCopy
{
    /// <summary>The address that a copy writes to, checked.</summary>
    public static nint Target<T>(TensorMap map, ArrayView<T> shared, int index) where T : unmanaged
    {
        if (shared.Source is not SharedArena arena) throw EmulatedThread.Error("a tensor copy does not go to shared memory");
        nint target = shared.SubView(index, map.BoxBytes / sizeof(T)).Address;
        int alignment = map.Swizzle == TensorSwizzle.None ? 128 : 1024;
        return (target - arena.NativePtr) % alignment == 0
            ? target
            : throw EmulatedThread.Error($"a tensor copy to element {index} of {typeof(T).Name}, which is not on a multiple of {alignment} bytes");
    }

    public static void Perform(TensorMap map, nint target, int x, int y)
    {
        int rowBytes = map.BoxWidth * map.ElementSize;
        for (int row = 0; row < map.BoxHeight; row++)
        {
            for (int column = 0; column < map.BoxWidth; column++)
            {
                bool inside = y + row >= 0 && y + row < map.Height && x + column >= 0 && x + column < map.Width;
                int offset = row * rowBytes + column * map.ElementSize;
                var cell = new Span<byte>((void*)(target + (map.Swizzle == TensorSwizzle.None ? offset : Swizzle128(offset))), map.ElementSize);
                if (!inside) cell.Clear();
                else new ReadOnlySpan<byte>((void*)(map.Address + (nint)((y + row) * map.PitchBytes) + (x + column) * map.ElementSize), map.ElementSize).CopyTo(cell);
            }
        }
    }

    /// <summary>Bits 4 to 6 of an offset from a multiple of 1024, xored with bits 7 to 9.</summary>
    public static int Swizzle128(int offset) => offset ^ (offset >> 7 & 7) << 4;
}
