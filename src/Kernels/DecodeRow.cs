namespace OllmNative.Kernels;

/// <summary>
/// What a decoding step knows of each of its rows, in device memory: <see cref="Ints"/> integers and <see cref="Knobs"/> floats a row. The host
/// fills them when sequences begin; <see cref="AdvanceRows"/> counts on from there, so that one recording serves every step.
/// </summary>
public static class DecodeRow
{
    /// <summary>Integers of a row.</summary>
    public const int Ints = 12;

    /// <summary>Tokens generated so far, and the two halves of the sequence's seed: every draw is a function of these.</summary>
    public const int Count = 0, SeedLow = 1, SeedHigh = 2;

    /// <summary>Likeliest tokens that may be drawn (0: all); who chooses the option; the option where that is fixed.</summary>
    public const int TopK = 3, Latent = 4, Option = 5;

    /// <summary>How many of the next integers are ids that end the sequence, and the most that fit.</summary>
    public const int Stops = 6, FirstStop = 7, MostStops = 5;

    /// <summary>Who chooses: nobody, the policy's likeliest, a draw, always the same.</summary>
    public const int Backbone = 0, Policy = 1, Sample = 2, Force = 3;

    /// <summary>Floats of a row: temperature (0: the likeliest token), top-p, min-p, repetition penalty.</summary>
    public const int Knobs = 4, Temperature = 0, TopP = 1, MinP = 2, Penalty = 3;

    /// <summary>Integers that a step tells the host of a row: token, option (-1: none), the bits of pi of the option, whether the token ends the sequence.</summary>
    public const int Results = 4;

    /// <summary>The key of the draws for the next token of a row.</summary>
    public static ulong Key(ArrayView<int> rows, int row)
    {
        int at = row * Ints;
        ulong seed = (ulong)(uint)rows[at + SeedHigh] << 32 | (uint)rows[at + SeedLow];
        return GumbelSoftmax.Key(seed, (ulong)rows[at + Count]);
    }
}
