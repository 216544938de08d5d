namespace OllmNative.Model;

/// <summary>One operation of a device against another device's.</summary>
/// <param name="Operation">Name and variant: <c>MatMul bf16, 1 row</c>.</param>
/// <param name="Shape">The sizes that the seed gave.</param>
/// <param name="MaxError">Largest difference, relative to the largest value of the result and 1; infinite where only one is a number, or an index differs.</param>
/// <param name="Tolerance">What it may be.</param>
/// <param name="Failure">What went wrong beside numbers; null when nothing did.</param>
public sealed record SelftestResult(string Operation, string Shape, double MaxError, double Tolerance, string? Failure)
{
    /// <summary>Whether the operation is right.</summary>
    public bool Passed => Failure is null && MaxError <= Tolerance;
}

/// <summary>A case: what it runs, and how far the results may differ.</summary>
public sealed class SelftestCase
{
    internal SelftestCase(string operation, double tolerance, Func<SelftestContext, string> run) => (Operation, Tolerance, Run) = (operation, tolerance, run);

    /// <summary>Name and variant.</summary>
    public string Operation { get; }

    /// <summary>Largest difference, relative to the largest value of a result and 1.</summary>
    public double Tolerance { get; }

    /// <summary>Runs it; returns the shape.</summary>
    internal Func<SelftestContext, string> Run { get; }
}

/// <summary>
/// Every operation of <see cref="ComputeDevice"/> on random shapes and values, one device held against another: what
/// <c>ollm selftest</c> prints for a GPU against the processor, and tests ask of the emulator.
/// </summary>
public static class DeviceSelftest
{
    /// <summary>All cases.</summary>
    public static IReadOnlyList<SelftestCase> Cases { get; } =
    [
        .. SelftestCases.Rows(), .. SelftestCases.Options(), .. SelftestCases.Steps(), .. SelftestCases.Products(), .. SelftestCases.Bytes(),
        .. SelftestCases.Attention(), .. SelftestCases.Head(), .. SelftestCases.Training(),
    ];

    /// <summary>Runs all cases, one after the other as they are asked for.</summary>
    /// <param name="tested">The device in question.</param>
    /// <param name="reference">The device to agree with.</param>
    /// <param name="seed">Gives shapes and values.</param>
    /// <param name="rounds">How often each case runs, with other shapes.</param>
    /// <param name="most">A bound of the tolerances: less than their own for a device that is known to round nothing to bf16.</param>
    public static IEnumerable<SelftestResult> Run(ComputeDevice tested, ComputeDevice reference, ulong seed, int rounds = 1, double most = 1)
    {
        ArgumentNullException.ThrowIfNull(tested);
        ArgumentNullException.ThrowIfNull(reference);
        for (int round = 0; round < rounds; round++)
        {
            for (int i = 0; i < Cases.Count; i++)
            {
                SelftestResult result = Run(Cases[i], tested, reference, (int)(Counter.Key(Counter.Key(seed, (ulong)round), (ulong)i) >> 33));
                yield return result with { Tolerance = Math.Min(result.Tolerance, most) };
            }
        }
    }

    /// <summary>Runs one case.</summary>
    public static SelftestResult Run(SelftestCase test, ComputeDevice tested, ComputeDevice reference, int seed)
    {
        ArgumentNullException.ThrowIfNull(test);
        SelftestOutcome expected = SelftestOutcome.Of(test, reference, seed);
        try
        {
            return new SelftestResult(test.Operation, expected.Shape, expected.Error(SelftestOutcome.Of(test, tested, seed)), test.Tolerance, null);
        }
        catch (InvalidOperationException error)
        {
            return new SelftestResult(test.Operation, expected.Shape, double.PositiveInfinity, test.Tolerance, error.Message);
        }
    }
}

/// <summary>What a case gave on one device.</summary>
internal sealed record SelftestOutcome(string Shape, float[][] Floats, int[][] Indices)
{
    /// <summary>Runs the case.</summary>
    /// <exception cref="InvalidOperationException">The device wrote outside of an operand.</exception>
    public static SelftestOutcome Of(SelftestCase test, ComputeDevice device, int seed)
    {
        using var context = new SelftestContext(device, seed);
        string shape = test.Run(context);
        (float[][] floats, int[][] indices) = context.Results();
        return new SelftestOutcome(shape, floats, indices);
    }

    /// <summary>The largest difference, relative to the largest value of a result and 1; infinite where only one is a number, or an index differs.</summary>
    public double Error(SelftestOutcome actual)
    {
        double worst = 0;
        for (int r = 0; r < Floats.Length; r++) worst = Math.Max(worst, Error(Floats[r], actual.Floats[r]));
        for (int r = 0; r < Indices.Length; r++)
        {
            if (!Indices[r].AsSpan().SequenceEqual(actual.Indices[r])) return double.PositiveInfinity;
        }
        return worst;
    }

    private static double Error(float[] expected, float[] actual)
    {
        double largest = 1, worst = 0;
        foreach (float value in expected)
        {
            if (float.IsFinite(value)) largest = Math.Max(largest, Math.Abs(value));
        }
        for (int i = 0; i < expected.Length; i++)
        {
            double difference = expected[i].Equals(actual[i]) ? 0 : Math.Abs((double)expected[i] - actual[i]);
            worst = double.IsNaN(difference) ? double.PositiveInfinity : Math.Max(worst, difference);
        }
        return worst / largest;
    }
}
