using OllmNative.Kernels;

namespace OllmNative.Model;

/// <summary>The cases of <see cref="DeviceSelftest"/>, but for products and attention.</summary>
internal static partial class SelftestCases
{
    /// <summary>Differences of f32 operations: order of sums, and the hardware's exponential.</summary>
    private const double Float = 2e-5;

    public static IEnumerable<SelftestCase> Rows()
    {
        foreach (DType type in (DType[])[DType.F32, DType.BF16, DType.F16])
        {
            yield return new($"Embedding {type.Name()}", 0, c =>
            {
                (int n, int d, int v) = (c.Between(1, 9), c.Between(1, 300), c.Between(2, 40));
                c.Device.Embedding(c.Ints(n, v), c.Weights(type, v, d), c.Result(n * d));
                return $"N {n}, D {d}, V {v}";
            });
        }
        yield return new("GatherRows", 0, c =>
        {
            (int n, int d, int r) = (c.Between(1, 9), c.Between(1, 300), c.Between(1, 12));
            c.Device.GatherRows(c.Floats(r * d), c.Ints(n, r), c.Result(n * d), d);
            return $"N {n}, D {d}";
        });
        yield return new("ScatterRows", 0, c =>
        {
            (int n, int d) = (c.Between(1, 9), c.Between(1, 300));
            c.Device.ScatterRows(c.Floats(n * d), c.Upload([.. Enumerable.Range(0, n).Select(i => n - i)]), c.Result((n + 2) * d), d);
            return $"N {n}, D {d}";
        });
        yield return new("RmsNorm", Float, c =>
        {
            (int n, int d, int spare) = (c.Between(1, 5), c.Between(1, 700), c.Between(0, 5));
            c.Device.RmsNorm(c.Floats(n * d, 3), c.Floats(d), c.Result(n * (d + spare)), 1e-6f, d + spare);
            return $"N {n}, D {d}, stride {d + spare}";
        });
        yield return new("NormGainGradient", Float, c =>
        {
            (int m, int d) = (c.Between(1, 150), c.Between(1, 200));
            DeviceView<float> gain = c.Upload<float>([.. Enumerable.Range(0, d).Select(j => j % 7 == 3 ? 0 : 1.5f + c.Number(1))]);
            c.Device.NormGainGradient(gain, c.Floats((long)m * d), c.Floats((long)m * d), c.Result(d));
            return $"M {m}, D {d}";
        });
        yield return new("Rope", Float, c =>
        {
            (int n, int heads, int half) = (c.Between(1, 5), c.Between(1, 4), c.Between(1, 64));
            c.Device.Rope(c.Result((long)n * heads * 2 * half), c.Ints(n, 20), c.Floats(20 * 2 * half), 2 * half);
            return $"N {n}, H {heads}, Dh {2 * half}";
        });
        yield return new("RopeToCache", Float, c =>
        {
            (int n, int heads, int kvHeads, int size) = (c.Between(1, 5), c.Between(1, 6), c.Between(1, 3), 2 * c.Between(1, 64));
            c.Device.RopeToCache(
                c.Result((long)n * heads * size), c.Floats((long)n * kvHeads * size), c.Floats((long)n * kvHeads * size), c.Ints(n, 20), c.Floats(20 * size),
                c.Upload([.. Enumerable.Range(0, n).Select(i => n - i)]), c.Result((n + 2L) * kvHeads * size), c.Result((n + 2L) * kvHeads * size), size);
            return $"N {n}, H {heads}, Hkv {kvHeads}, Dh {size}";
        });
        foreach (SelftestCase test in Elementwise()) yield return test;
    }

    public static IEnumerable<SelftestCase> Options()
    {
        foreach (int most in (int[])[3000, 9000])
        {
            yield return new(most > 3000 ? "ArgMaxRows, long rows" : "ArgMaxRows", 0, c =>
            {
                // Few different values, so that the first among equals counts.
                (int n, int d) = (c.Between(1, 4), c.Between(most > 3000 ? 4100 : 1, most));
                c.Device.ArgMaxRows(c.Upload([.. Enumerable.Range(0, n * d).Select(_ => (float)c.Between(-3, 3))]), c.Indices(n), d);
                return $"N {n}, columns {d}";
            });
        }
        foreach (int most in (int[])[20, 600])
        {
            yield return new(most > 20 ? "Softmax, long rows" : "Softmax", Float, c =>
            {
                (int n, int k) = (c.Between(1, 40), c.Between(most / 2, most));
                c.Device.Softmax(c.Floats(n * k, 20), c.Result(n * k), k);
                return $"N {n}, columns {k}";
            });
        }
        yield return new("SoftmaxBackward", Float, c =>
        {
            (int n, int k) = (c.Between(1, 300), c.Between(1, 20));
            c.Device.SoftmaxBackward(c.Distributions(n, k), c.Floats(n * k), c.Result(n * k), k, 0.7f, n % 2 == 0);
            return $"N {n}, K {k}";
        });
        yield return new("GumbelSoftmax", Float, c =>
        {
            (int n, int k) = (c.Between(1, 300), c.Between(1, 20));
            c.Device.GumbelSoftmax(c.Floats(n * k, 3), c.Upload([.. Enumerable.Range(0, n).Select(i => Counter.Key(7, (ulong)i))]), 0.8f, c.Result(n * k), c.Result(n * k), k);
            return $"N {n}, K {k}";
        });
        yield return new("UniformKl", Float, c =>
        {
            (int n, int k) = (c.Between(1, 300), c.Between(1, 20));
            c.Device.UniformKl(c.Distributions(n, k), c.Result(n), c.Result(n * k), k, 0.3f);
            return $"N {n}, K {k}";
        });
        yield return new("PolicyCrossEntropy", Float, c =>
        {
            (int n, int k) = (c.Between(1, 300), c.Between(1, 20));
            c.Device.PolicyCrossEntropy(c.Floats(n * k, 5), c.Distributions(n, k), c.Result(n), c.Result(n * k), k, 0.3f);
            return $"N {n}, K {k}";
        });
        yield return new("MarginalLoss", Float, c =>
        {
            (int n, int k) = (c.Between(1, 300), c.Between(1, 20));
            c.Device.MarginalLoss(c.Distributions(n, k), c.Floats(n * k, 4), c.Result(n), c.Result(n * k), c.Result(n * k), k, 0.3f);
            return $"N {n}, K {k}";
        });
        yield return new("PolicyGradient", Float, c =>
        {
            (int n, int k) = (c.Between(1, 300), c.Between(1, 20));
            c.Device.PolicyGradient(
                c.Floats(n * k, 2), c.Ints(n, k), c.Floats(n), c.Floats(n, 2), 0.2f, 0.02f, c.Result(n), c.Result(n), c.Result(n * k), k, 0.3f);
            return $"N {n}, K {k}";
        });
    }

    /// <summary>What lets a device decode alone: rows are laid out as DecodeRow says.</summary>
    public static IEnumerable<SelftestCase> Steps()
    {
        yield return new("ChooseOptions", Float, c =>
        {
            (int n, int k) = (c.Between(1, 9), c.Between(1, 20));
            c.Device.ChooseOptions(c.Floats(n * k, 3), DecodeRows(c, n, k, 5), c.Result(n * k), c.Result(n * k), c.Upload(new int[2 * n]), k);
            return $"N {n}, K {k}";
        });
        foreach (bool bends in (bool[])[true, false])
        {
            yield return new(bends ? "AdapterOutput of a decoder" : "AdapterOutput of a policy", 1e-2, c => Adapter(c, bends));
        }
        yield return new("AddChosen", Float, c =>
        {
            (int n, int d) = (c.Between(1, 9), c.Between(1, 300));
            c.Device.AddChosen(c.Result(n * d), c.Floats(n * d), c.Upload([.. Enumerable.Range(0, 2 * n).Select(i => i % 4 == 0 ? -1 : 2)]), d);
            return $"N {n}, D {d}";
        });
        foreach ((string name, float temperature, int topK, float topP, float minP, float penalty) in
            ((string, float, int, float, float, float)[])[("likeliest, penalty", 0, 0, 1, 0, 1.7f), ("temperature", 0.8f, 0, 1, 0, 1), ("top-k", 1.1f, 7, 1, 0, 1.3f), ("top-p", 1, 0, 0.7f, 0, 1), ("all cuts", 1.3f, 12, 0.9f, 0.05f, 1.2f)])
        {
            yield return new($"SampleTokens, {name}", 0, c =>
            {
                (int n, int v) = (c.Between(1, 4), c.Between(1, 1500));
                float[] knobs = [.. Enumerable.Range(0, n).SelectMany(_ => (float[])[temperature, topP, minP, penalty])];
                int words = (v + 31) / 32;
                c.Device.SampleTokens(c.Floats(n * v, 4), DecodeRows(c, n, 1, topK), c.Upload<float>(knobs), c.Upload([.. Enumerable.Range(0, n * words).Select(_ => c.Between(0, int.MaxValue - 1))]), c.Indices(n), v);
                return $"N {n}, V {v}";
            });
        }
        foreach (int most in (int[])[0, 1, 6])
        {
            yield return new($"ScoreTokens, {most} likeliest", Float, c =>
            {
                // Fewer tokens than are asked for, and equal ones, too.
                (int n, int v) = (c.Between(1, 4), most > 1 ? c.Between(3, 400) : c.Between(1, 1500));
                DeviceView<float> logits = most > 1 ? c.Upload([.. Enumerable.Range(0, n * v).Select(_ => (float)c.Between(-9, 9))]) : c.Floats(n * v, 6);
                c.Device.ScoreTokens(logits, most == 1 ? default : c.Ints(n, v), most == 0 ? c.Upload<int>([]) : c.Indices(n * most), c.Result(n * (Kernels.ScoreTokens.Fixed + most)), v);
                return $"N {n}, V {v}";
            });
        }
        yield return new("AddOptions", Float, c =>
        {
            (int n, int k, int m) = (c.Between(1, 40), c.Between(1, 12), c.Between(1, 300));
            c.Device.AddOptions(c.Distributions(n, k), c.Parameters(k, m, result: false).Matrix, c.Result(n * m));
            return $"N {n}, K {k}, M {m}";
        });
        yield return new("AdvanceRows", 0, c =>
        {
            (int n, int v) = (c.Between(1, 6), c.Between(40, 90));
            int words = (v + 31) / 32;
            DeviceView<int> rows = c.Indices(n * DecodeRow.Ints), seen = c.Indices(n * words), batch = c.Indices(3 * n);
            rows.Upload([.. Enumerable.Range(0, n * DecodeRow.Ints).Select(i => i % DecodeRow.Ints == DecodeRow.Stops ? 2 : c.Between(0, v - 1))]);
            seen.Upload([.. Enumerable.Range(0, n * words).Select(i => i)]);
            c.Device.AdvanceRows(c.Ints(n, v), c.Ints(2 * n, 5), batch, rows, seen, c.Indices(2 * n * DecodeRow.Results));
            return $"N {n}";
        });
    }

    /// <summary>A device that does it in one go, or the same on the host.</summary>
    private static string Adapter(SelftestContext c, bool bends)
    {
        (int n, int m, int k, int d) = (c.Between(1, 16), 8 * c.Between(1, 40), c.Between(1, 6), c.Between(1, 70));
        int[] z = [.. Enumerable.Range(0, n).Select(i => bends ? i % (k + 1) - 1 : -1)];
        DeviceView<float> pre = c.Floats(n * m, 3), bias = c.Floats(d), table = c.Floats(k * m), residual = c.Floats(n * d), output = c.Result(n * d);
        DeviceView<int> chosen = c.Upload([.. z.SelectMany(option => (int[])[option, 0])]);
        (DeviceMatrix w, DeviceView<float> weights) = c.Parameters(d, m, result: false);
        string shape = $"N {n}, M {m}, K {k}, outputs {d}";
        if (c.Device.AdapterOutput(pre, w, bias, bends ? table : default, bends ? chosen : default, bends ? residual : default, output)) return shape;
        float[] x = pre.ToArray(), add = table.ToArray(), rows = weights.ToArray(), b = bias.ToArray(), h = residual.ToArray(), result = new float[n * d];
        for (int i = 0; i < n * d; i++)
        {
            (int row, int o) = (i / d, i % d);
            double sum = b[o];
            for (int j = 0; j < m; j++)
            {
                double value = x[row * m + j] + (z[row] < 0 ? 0 : add[z[row] * m + j]);
                sum += value / (1 + Math.Exp(-value)) * rows[o * m + j];
            }
            result[i] = !bends ? (float)sum : z[row] < 0 ? h[i] : (float)(h[i] + sum);
        }
        output.Upload(result);
        return shape;
    }

    private static DeviceView<int> DecodeRows(SelftestContext c, int count, int options, int topK)
    {
        var rows = new int[count * DecodeRow.Ints];
        for (int n = 0; n < count; n++)
        {
            Span<int> row = rows.AsSpan(n * DecodeRow.Ints, DecodeRow.Ints);
            (row[DecodeRow.Count], row[DecodeRow.SeedLow], row[DecodeRow.SeedHigh]) = (c.Between(0, 99), c.Between(int.MinValue, int.MaxValue - 1), c.Between(0, 9));
            (row[DecodeRow.TopK], row[DecodeRow.Latent], row[DecodeRow.Option]) = (topK, n % 4, c.Between(0, options - 1));
        }
        return c.Upload(rows);
    }

    private static IEnumerable<SelftestCase> Elementwise()
    {
        SelftestCase Case(string name, Action<SelftestContext, int> run) => new(name, Float, c =>
        {
            int n = c.Between(1, 5000);
            run(c, n);
            return $"N {n}";
        });
        yield return Case("SwiGlu", (c, n) => c.Device.SwiGlu(c.Floats(n, 6), c.Floats(n), c.Result(n)));
        yield return Case("Add", (c, n) => c.Device.Add(c.Floats(n), c.Floats(n), c.Result(n)));
        yield return Case("Silu", (c, n) => c.Device.Silu(c.Floats(n, 6), c.Result(n)));
        yield return Case("SiluBackward", (c, n) => c.Device.SiluBackward(c.Floats(n, 6), c.Floats(n), c.Result(n)));
        yield return Case("Scale", (c, n) => c.Device.Scale(c.Result(n), 0.37f));
        yield return Case("Clear", (c, n) => c.Device.Clear(c.Result(n)));
        yield return Case("Copy", (c, n) => c.Device.Copy(c.Floats(n), c.Result(n)));
        yield return new("ScaleRows", Float, c =>
        {
            (int n, int d) = (c.Between(1, 9), c.Between(1, 300));
            c.Device.ScaleRows(c.Result(n * d), c.Floats(n), d);
            return $"N {n}, D {d}";
        });
        yield return Case("AdamW", (c, n) =>
        {
            DeviceView<float> second = c.Result(n);
            second.Upload([.. second.ToArray().Select(MathF.Abs)]);
            c.Device.AdamW(c.Result(n), c.Floats(n), c.Result(n), second, new AdamWStep(3, 0.01f, 0.9f, 0.999f, 1e-8f, 0.1f, 0.5f));
        });
        yield return new("SquaredNorm", Float, c =>
        {
            int n = c.Between(1, 150_000);
            c.Result(1).Upload([(float)c.Device.SquaredNorm(c.Floats(n))]);
            return $"N {n}";
        });
    }
}
