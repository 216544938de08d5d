using OllmNative.Model;

namespace OllmNative.Training;

/// <summary>
/// Counter-based random numbers: draw <c>k</c> of row <c>r</c> under a seed is a pure function of (seed, r, k), so any row of
/// a generated data set can be made alone, in any order and on any platform. The mixing function is SplitMix64's finaliser.
/// </summary>
internal struct CounterRandom
{
    private const ulong Golden = 0x9E3779B97F4A7C15;
    private readonly ulong _stream;
    private ulong _draw;

    public CounterRandom(ulong seed, ulong row)
    {
        _stream = Counter.Finalize(Counter.Finalize(seed + Golden) ^ (row * 0xD1342543DE82EF95));
        _draw = 0;
    }

    /// <summary>The next 64 bits of this row.</summary>
    public ulong NextBits() => Counter.Finalize(_stream + Golden * ++_draw);

    /// <summary>Uniform in [0, 1), from the top 53 bits.</summary>
    public double NextUnit() => (NextBits() >> 11) * (1.0 / (1UL << 53));

    /// <summary>Uniform in 0..<paramref name="count"/>-1; the bias of the multiplication is below count / 2^64.</summary>
    public int NextIndex(int count) => (int)Math.BigMul(NextBits(), (ulong)count, out _);
}
