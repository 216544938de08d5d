namespace OllmNative.Model;

/// <summary>
/// Counter-based random numbers: every draw is a function of a key and an index, so that a run can be resumed, split over
/// machines or cut into other micro-batches without changing a single draw. The mixing function is SplitMix64's finaliser
/// (Steele, Lea, Flood 2014).
/// </summary>
public static class Counter
{
    private const ulong Golden = 0x9E3779B97F4A7C15;

    /// <summary>Spreads the bits of <paramref name="x"/> over all 64; 0 stays 0.</summary>
    public static ulong Finalize(ulong x)
    {
        x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
        x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
        return x ^ (x >> 31);
    }

    /// <summary>One step of SplitMix64 from state <paramref name="x"/>.</summary>
    public static ulong Mix(ulong x) => Finalize(x + Golden);

    /// <summary>The key of a stream within a stream.</summary>
    public static ulong Key(ulong key, ulong index) => Mix(key ^ Mix(index * Golden));

    /// <summary>A float in (0, 1), never at either end.</summary>
    public static float Uniform(ulong key, ulong index) => ((Key(key, index) >> 41) + 0.5f) * (1f / (1 << 23));

    /// <summary>An integer in [0, <paramref name="bound"/>).</summary>
    public static int Below(ulong key, ulong index, int bound) => (int)Math.BigMul(Key(key, index), (ulong)bound, out _);

    /// <summary>A standard Gumbel variable: -log(-log u).</summary>
    public static float Gumbel(ulong key, ulong index) => -MathF.Log(-MathF.Log(Uniform(key, index)));
}
