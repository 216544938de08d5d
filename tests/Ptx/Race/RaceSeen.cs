namespace OllmNative.Tests.Ptx;

/// <summary>Launches and copies that are over: of each stream all up to one. Never changed once made.</summary>
internal sealed class RaceSeen
{
    private readonly int[] _last;

    private RaceSeen(int[] last) => _last = last;

    /// <summary>Nothing has happened.</summary>
    public static RaceSeen None { get; } = new([]);

    public int Of(int stream) => stream < _last.Length ? _last[stream] : 0;

    public RaceSeen With(int stream, int number)
    {
        if (Of(stream) >= number) return this;
        int[] last = new int[Math.Max(_last.Length, stream + 1)];
        _last.CopyTo(last, 0);
        last[stream] = number;
        return new RaceSeen(last);
    }

    public RaceSeen Join(RaceSeen? other)
    {
        if (other is null || ReferenceEquals(this, other)) return this;
        RaceSeen joined = this;
        for (int stream = 0; stream < other._last.Length; stream++) joined = joined.With(stream, other._last[stream]);
        return joined;
    }
}

/// <summary>A stream, and what has to be over before its next work begins.</summary>
internal sealed class RaceStream(int ordinal)
{
    public int Ordinal { get; } = ordinal;

    public RaceSeen Clock { get; private set; } = RaceSeen.None;

    public void After(RaceSeen? seen) => Clock = Clock.Join(seen);

    public void Did(int number) => Clock = Clock.With(Ordinal, number);
}
