using OllmNative.Runtime.Language;

namespace OllmNative.Tests.Samples;

/// <summary>Mathematics: .NET's, XMath's and IntrinsicMath's.</summary>
internal static class MathSamples
{
    private static void Mixed(Index1D i, ArrayView<float> singles, ArrayView<double> doubles, ArrayView<double> others)
    {
        singles[i] = IntrinsicMath.Abs(i - 3);
        doubles[i] = IntrinsicMath.Clamp(i, 0.0, 12.0);
        others[i] = Math.Min(0.2, i);
    }

    public static void IntrinsicMath_AndMath(Accelerator accelerator)
    {
        using var singles = accelerator.Allocate1D<float>(20);
        using var doubles = accelerator.Allocate1D<double>(20);
        using var others = accelerator.Allocate1D<double>(20);
        accelerator.LoadAutoGroupedStreamKernel<Index1D, ArrayView<float>, ArrayView<double>, ArrayView<double>>(Mixed)(20, singles.View, doubles.View, others.View);
        Assert.Equal(Enumerable.Range(0, 20).Select(i => (float)Math.Abs(i - 3)), singles.GetAsArray1D());
        Assert.Equal(Enumerable.Range(0, 20).Select(i => Math.Min(i, 12.0)), doubles.GetAsArray1D());
        Assert.Equal(Enumerable.Range(0, 20).Select(i => Math.Min(0.2, i)), others.GetAsArray1D());
    }

    private static float Formula(float x) => XMath.Sqrt(x) + XMath.Exp(-x) * XMath.Sin(x) + XMath.Log(x + 1) - XMath.Pow(x, 1.5f) + MathF.Tanh(x) + XMath.Atan2(x, 2f) + XMath.Floor(x) + XMath.PI;

    private static void Singles(Index1D i, ArrayView<float> view) => view[i] = Formula(view[i]);

    public static void XMath_Singles(Accelerator accelerator)
    {
        float[] values = [.. Enumerable.Range(0, 60).Select(i => i * 0.07f)];
        using var buffer = accelerator.Allocate1D(values);
        accelerator.LoadAutoGroupedStreamKernel<Index1D, ArrayView<float>>(Singles)(values.Length, buffer.View);
        Assert.All(values.Zip(buffer.GetAsArray1D()), pair => Assert.Equal(Formula(pair.First), pair.Second, 5e-5f * (1 + Math.Abs(Formula(pair.First)))));
    }

    private static void Doubles(Index1D i, ArrayView<double> view)
    {
        double x = view[i];
        view[i] = Math.Sqrt(x) + Math.Exp(-x) + Math.Log(1 + x) + Math.Cos(x) + XMath.Pow(x, 0.5) + Math.Round(x * 10) + Math.CopySign(x, -1.0);
    }

    public static void Math_Doubles(Accelerator accelerator)
    {
        double[] values = [.. Enumerable.Range(0, 60).Select(i => i * 0.13)];
        using var buffer = accelerator.Allocate1D(values);
        accelerator.LoadAutoGroupedStreamKernel<Index1D, ArrayView<double>>(Doubles)(values.Length, buffer.View);
        double[] expected = [.. values.Select(x => Math.Sqrt(x) + Math.Exp(-x) + Math.Log(1 + x) + Math.Cos(x) + Math.Sqrt(x) + Math.Round(x * 10) - x)];
        Assert.All(expected.Zip(buffer.GetAsArray1D()), pair => Assert.Equal(pair.First, pair.Second, 1e-11 * (1 + Math.Abs(pair.First))));
    }

    private static void Bits(Index1D i, ArrayView<uint> words, ArrayView<ulong> wide, ArrayView<int> output)
    {
        output[i * 4] = IntrinsicMath.PopCount(words[i]) + IntrinsicMath.BitOperations.PopCount(wide[i]);
        output[i * 4 + 1] = IntrinsicMath.LeadingZeroCount(words[i]) + IntrinsicMath.BitOperations.LeadingZeroCount(wide[i]);
        output[i * 4 + 2] = IntrinsicMath.TrailingZeroCount(words[i] | 0x80000000) + IntrinsicMath.BitOperations.TrailingZeroCount(wide[i] | 1UL << 63);
        output[i * 4 + 3] = XMath.DivRoundUp((int)(words[i] >> 8), 7) + XMath.Max(i.X, 2);
    }

    public static void Bits_Counted(Accelerator accelerator)
    {
        uint[] words = [0, 1, 0xff00, 0xdeadbeef, uint.MaxValue];
        ulong[] wide = [0, 1UL << 40, 0xff00ff, ulong.MaxValue, 3];
        using var a = accelerator.Allocate1D(words);
        using var b = accelerator.Allocate1D(wide);
        using var output = accelerator.Allocate1D<int>(20);
        accelerator.LoadAutoGroupedStreamKernel<Index1D, ArrayView<uint>, ArrayView<ulong>, ArrayView<int>>(Bits)(5, a.View, b.View, output.View);
        Assert.Equal(Enumerable.Range(0, 5).SelectMany(i => new[]
        {
            System.Numerics.BitOperations.PopCount(words[i]) + System.Numerics.BitOperations.PopCount(wide[i]),
            System.Numerics.BitOperations.LeadingZeroCount(words[i]) + System.Numerics.BitOperations.LeadingZeroCount(wide[i]),
            System.Numerics.BitOperations.TrailingZeroCount(words[i] | 0x80000000) + System.Numerics.BitOperations.TrailingZeroCount(wide[i] | 1UL << 63),
            ((int)(words[i] >> 8) + 6) / 7 + Math.Max(i, 2),
        }), output.GetAsArray1D());
    }

    private static void Random(Index1D i, ArrayView<uint> states, ArrayView<float> samples)
    {
        uint state = states[i];
        float sum = 0;
        for (int k = 0; k < 16; k++)
        {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            sum += state * (1f / uint.MaxValue);
        }
        states[i] = state;
        samples[i] = sum / 16;
    }

    public static void Unsigned_XorShift(Accelerator accelerator)
    {
        uint[] states = [.. Enumerable.Range(1, 40).Select(i => (uint)i * 2654435761)];
        using var buffer = accelerator.Allocate1D(states);
        using var samples = accelerator.Allocate1D<float>(40);
        accelerator.LoadAutoGroupedStreamKernel<Index1D, ArrayView<uint>, ArrayView<float>>(Random)(40, buffer.View, samples.View);
        Assert.All(samples.GetAsArray1D(), sample => Assert.InRange(sample, 0.1f, 0.9f));
        uint first = states[0];
        for (int k = 0; k < 16; k++)
        {
            first ^= first << 13;
            first ^= first >> 17;
            first ^= first << 5;
        }
        Assert.Equal(first, buffer.GetAsArray1D()[0]);
    }
}
