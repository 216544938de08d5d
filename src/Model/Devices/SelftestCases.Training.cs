namespace OllmNative.Model;

/// <summary>The end of a training step and the hidden states' way to and from the cache.</summary>
internal static partial class SelftestCases
{
    private static readonly double[] Ones = [1, 1, 1, 1], Factor = [1.7];

    public static IEnumerable<SelftestCase> Training()
    {
        foreach (bool marginal in (bool[])[false, true])
        {
            yield return new($"AddLosses{(marginal ? ", marginal" : "")}", Float, c =>
            {
                (int n, int k) = (c.Between(1, 600), marginal ? c.Between(1, 12) : 1);
                DeviceView<double> totals = c.Upload(new double[] { 0.5, -1, 2, 3 });
                DeviceView<float> q = marginal ? c.Distributions(n, k) : default;
                c.Device.AddLosses(c.Floats(n, 5), c.Floats(n), c.Floats(n, 3), c.Ints(n * k, 4), c.Ints(n * k, 4), q, totals);
                Compare(c, totals);
                return $"N {n}, K {k}";
            });
        }
        for (int adaptation = 0; adaptation < 3; adaptation++)
        {
            int rule = adaptation;
            yield return new($"EndStep and AdamW, rule {rule}", Float, c =>
            {
                int n = c.Between(1, 200_000);
                var numbers = new double[StepState.Length];
                for (int i = 0; i < StepState.Totals; i++) numbers[i] = 50 + c.Number(40);
                numbers[StepState.BetaAt] = Math.Exp(c.Number(2));
                DeviceView<double> state = c.Upload(numbers);
                DeviceView<float> gradients = c.Floats(n), second = c.Distributions(1, n);
                c.Device.SquaredNorm(gradients, state.Slice(StepState.SquaredNormAt, 1));
                c.Device.EndStep(state, new StepRule(100, n % 3 == 0 ? 0 : 1, 0.2, rule));
                c.Device.AdamW(c.Result(n), gradients, c.Result(n), second, new AdamWStep(3, 0.01f, 0.9f, 0.999f, 1e-8f, 0.1f, 1), state);
                Compare(c, state);
                return $"N {n}";
            });
        }
        yield return new("EndStep, not a number: parameters stay", 0, c =>
        {
            int n = c.Between(1, 100);
            var numbers = new double[StepState.Length];
            numbers[n % 3] = double.NaN; // cross entropy, KL or the policy's loss
            DeviceView<double> state = c.Upload(numbers);
            c.Device.EndStep(state, new StepRule(10, 1, 0.2, 2));
            // The failure stays: what was asked for before the host knows of it must not move anything either.
            state.Slice(0, StepState.Totals).Upload(Ones);
            c.Device.EndStep(state, new StepRule(10, 1, 0.2, 2));
            c.Device.AdamW(c.Result(n), c.Floats(n), c.Result(n), c.Result(n), new AdamWStep(1, 0.01f, 0.9f, 0.999f, 1e-8f, 0, 1), state);
            return $"N {n}";
        });
        yield return new("RoundRows, WidenRows", 0, c =>
        {
            int n = c.Between(1, 5000);
            DeviceView<ushort> words = c.Upload(new ushort[n]);
            DeviceView<float> wide = c.Result(n);
            c.Device.RoundRows(c.Result(n), words);
            c.Device.WidenRows(words, wide);
            return $"N {n}";
        });
        yield return new("UniformKl with a factor", Float, c =>
        {
            (int n, int k) = (c.Between(1, 300), c.Between(1, 20));
            c.Device.UniformKl(c.Distributions(n, k), c.Result(n), c.Result(n * k), k, 0.3f, c.Upload(Factor));
            return $"N {n}, K {k}";
        });
    }

    /// <summary>Numbers in f64 are compared as floats.</summary>
    private static void Compare(SelftestContext c, DeviceView<double> values) => c.Result(values.Length).Upload([.. values.ToArray().Select(v => (float)v)]);
}
