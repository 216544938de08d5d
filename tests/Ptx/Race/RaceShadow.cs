namespace OllmNative.Tests.Ptx;

/// <summary>Who touches memory: a thread, a thread's copies, the copies that a barrier counts, or a warp's products.</summary>
internal sealed class RaceAgent(RaceGroup group, int index, string name, bool asyncProxy)
{
    public RaceGroup Group { get; } = group;
    public int Index { get; } = index;
    public string Name { get; } = name;

    /// <summary>Not the proxy of ordinary loads and stores.</summary>
    public bool AsyncProxy { get; } = asyncProxy;
}

/// <summary>One access: by whom, when in the agent's own time, at which instruction.</summary>
internal readonly record struct RaceAccess(RaceAgent Agent, int Time, int Pc)
{
    public override string ToString() => $"{Agent.Name} of group {Agent.Group.Number}, {Agent.Group.Launch.Name} at \"{Agent.Group.Launch.Text(Pc)}\"";
}

/// <summary>Some bytes: the last write, and reads since.</summary>
internal struct RaceCell
{
    public RaceAccess Write, Read;
    public RaceAccess[]? More;
    public bool Atomic;

    /// <summary>The last launch that read it by ld.global.nc.</summary>
    public int ConstantIn;
}

/// <summary>A stretch of memory in cells of 4 bytes, of fewer once something smaller is touched.</summary>
internal sealed class RacePage(int bytes)
{
    private RaceCell[] _cells = new RaceCell[(bytes + 3) / 4];
    private int _shift = 2;

    /// <summary>The cells of an access, which is on a multiple of its size.</summary>
    public Span<RaceCell> At(long offset, int bytes)
    {
        int shift = ((offset | (uint)bytes) & 3) == 0 ? 2 : ((offset | (uint)bytes) & 1) == 0 ? 1 : 0;
        if (shift < _shift) Refine(shift);
        return _cells.AsSpan((int)(offset >> _shift), bytes >> _shift);
    }

    private void Refine(int shift)
    {
        var finer = new RaceCell[_cells.Length << (_shift - shift)];
        for (int i = 0; i < finer.Length; i++)
        {
            finer[i] = _cells[i >> (_shift - shift)];
            finer[i].More = (RaceAccess[]?)finer[i].More?.Clone();
        }
        (_cells, _shift) = (finer, shift);
    }
}

/// <summary>Device memory's pages, made when they are first touched.</summary>
internal sealed class RaceMemory
{
    private const int PageBits = 12;

    private readonly Dictionary<ulong, RacePage> _pages = [];
    private (ulong Number, RacePage? Page) _last;

    public Span<RaceCell> At(ulong address, int bytes)
    {
        ulong number = address >> PageBits;
        if (_last.Page is null || _last.Number != number)
        {
            if (!_pages.TryGetValue(number, out RacePage? page)) _pages[number] = page = new RacePage(1 << PageBits);
            _last = (number, page);
        }
        return _last.Page!.At((long)(address & ((1UL << PageBits) - 1)), bytes);
    }

    public void Clear()
    {
        _pages.Clear();
        _last = default;
    }
}
