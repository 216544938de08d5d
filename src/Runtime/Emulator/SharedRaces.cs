using System.Runtime.CompilerServices;

namespace OllmNative.Runtime.Emulator;

/// <summary>
/// Looks for races in a group's shared memory: a byte that one thread writes and another touches without a barrier between them.
/// A view gives out references, so a touch may be a read or a write; since one thread runs at a time, the bytes that differ when
/// its slice of time ends are the ones it wrote. (So writing the value that was there before is not seen.) Atomic operations do
/// not race with each other.
/// </summary>
internal sealed unsafe class SharedRaces
{
    private const int None = -1;
    private readonly EmulatedGroup _group;
    private readonly nint _base;
    private readonly Touched[] _shadow;
    private readonly List<(int Offset, byte Before)> _slice = [];
    private readonly int[] _warpEpoch = new int[32];
    private int _groupEpoch;
    private int _sliceNumber;

    public SharedRaces(EmulatedGroup group, nint address, int bytes)
    {
        _group = group;
        _base = address;
        _shadow = new Touched[bytes];
    }

    /// <summary>Someone's access: which thread, and how many barriers its group and its warp had passed.</summary>
    private readonly record struct Access(int Thread, int GroupEpoch, int WarpEpoch);

    private struct Touched
    {
        public Access Last, Other, Writer;
        public int Slice;
    }

    public void Reset()
    {
        _slice.Clear();
        _groupEpoch++;
        _sliceNumber++;
    }

    public void GroupBarrier() => _groupEpoch++;
    public void WarpBarrier(int warp) => _warpEpoch[warp]++;
    public void Abandon() => _slice.Clear();

    /// <summary>The running thread reads or writes some bytes.</summary>
    public void Touch(nint address, int bytes)
    {
        Access me = Me();
        for (int offset = (int)(address - _base), end = offset + bytes; offset < end; offset++)
        {
            ref Touched cell = ref _shadow[offset];
            if (cell.Slice == _sliceNumber) continue;
            if (Unordered(cell.Writer, me)) throw Race(offset, cell.Writer, "wrote", "touches");
            if (cell.Last.Thread != me.Thread) cell.Other = cell.Last;
            cell.Last = me;
            cell.Slice = _sliceNumber;
            _slice.Add((offset, Read(offset)));
        }
    }

    /// <summary>An atomic operation changed these bytes: not a write in the sense of a race.</summary>
    public void Forgive(nint address, int bytes)
    {
        int first = (int)(address - _base);
        if (first < 0 || first >= _shadow.Length) return;
        for (int i = _slice.Count - 1; i >= 0; i--)
            if (_slice[i].Offset >= first && _slice[i].Offset < first + bytes) _slice[i] = (_slice[i].Offset, Read(_slice[i].Offset));
    }

    /// <summary>The running thread is about to hand on or to wait: what it changed is known now.</summary>
    public void EndSlice()
    {
        Access me = Me();
        foreach ((int offset, byte before) in _slice)
        {
            if (Read(offset) == before) continue;
            ref Touched cell = ref _shadow[offset];
            if (Unordered(cell.Other, me)) throw Race(offset, cell.Other, "touched", "writes");
            cell.Writer = me;
        }

        _slice.Clear();
        _sliceNumber++;
    }

    private Access Me()
    {
        int thread = _group.Running.LinearIndex;
        return new Access(thread + 1, _groupEpoch, _warpEpoch[thread >> 5]);
    }

    private bool Unordered(Access earlier, Access me)
    {
        if (earlier.Thread == 0 || earlier.Thread == me.Thread || earlier.GroupEpoch != _groupEpoch) return false;
        bool sameWarp = (earlier.Thread + None) >> 5 == (me.Thread + None) >> 5;
        return !sameWarp || earlier.WarpEpoch == me.WarpEpoch;
    }

    private Language.KernelException Race(int offset, Access earlier, string did, string does) => EmulatedThread.Error(
        $"a race in shared memory: it {does} byte {offset}, which thread {_group.Thread(earlier.Thread + None).Index} {did} since the last barrier");

    private byte Read(int offset) => Unsafe.Read<byte>((void*)(_base + offset));
}
