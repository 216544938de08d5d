#if !ILGPU
namespace OllmNative.Model.Cuda;

/// <summary>What each version is tried on: cases of the self-test by their names, and some with the sizes that a version is made for.</summary>
internal static class VersionCases
{
    // As the self-test's: of what is rounded to bf16.
    private const double Bf16 = 1e-2;

    // Fewer than a product here has tiles, so that each group makes several.
    private const int FewMultiprocessors = 2;

    public static IEnumerable<VersionCase> Portable() => Named(
        "MatMul BF16, 2-8 rows", "MatMul F32, 2-8 rows", "MatMul F16, 9-90 rows", "MatMul BF16, 9-90 rows, odd sizes, added", "MatMul F32, 9-90 rows",
        "MatMulBackwardInput BF16", "MatMulBackwardWeight", "NormMatMulEach, 2-4 rows", "NormGateUp, 2-4 rows", "RmsNorm", "NormGainGradient",
        "Softmax, long rows", "ArgMaxRows, long rows", "SquaredNorm", "AddLosses", "Attention, head size 64, prompts", "Attention, head size 128, decoding",
        "HeadCrossEntropy F32");

    public static IEnumerable<VersionCase> FewOutputs() => Named("MatMul, few outputs", "AdapterOutput and AdapterBackward, few outputs");

    public static IEnumerable<VersionCase> Tensor() => ((ProductTile[])[ProductTile.Small64, ProductTile.Small128]).SelectMany(tile => Named(
        "MatMul BF16, 9-90 rows", "MatMulBackwardInput BF16", "MatMulBackwardWeight", "MatMul after AdamW", "MatMul int8 of BF16, 17-40 rows").Select(test => test with { Tile = tile }));

    public static IEnumerable<VersionCase> Tiles() => ((ProductTile[])[ProductTile.Large128, ProductTile.Large256]).SelectMany(tile => Products(tile, DType.F16));

    public static IEnumerable<VersionCase> Head() => Named(
        "HeadCrossEntropy BF16", "HeadCrossEntropy BF16, no gradient", "HeadCrossEntropy, likely targets", "HeadCrossEntropy, unlikely targets");

    public static IEnumerable<VersionCase> Attention() => Named(
        "Cache and attention, head size 64, a few queries", "Cache and attention, head size 64, prompts", "Cache and attention, head size 64, decoding",
        "Cache and attention, head size 128, a few queries", "Cache and attention, head size 128, prompts", "Cache and attention, head size 128, decoding");

    public static IEnumerable<VersionCase> Decode() => Named(
        "MatMul BF16, 1-1 rows", "NormMatMulEach, 1-1 rows", "NormMatMulEach, 9-16 rows", "NormGateUp, 1-1 rows", "NormGateUp, 9-16 rows", "AdapterOutput of a decoder",
        "AdapterOutput of a policy", "MatMul int8 of BF16, 2-8 rows", "MatMul int8 of BF16, 9-16 rows", "NormMatMulEach and NormGateUp int8, 2-8 rows",
        "NormMatMulEach and NormGateUp int8, 9-16 rows", "NormRopeToCache and attention, head size 128", "NormRopeToCache and attention, head size 64, int8").Append(new(new("MatMul, 12 rows", Bf16, c =>
        {
            c.Device.MatMul(c.Floats(12 * 72), c.Weights(DType.BF16, 40, 72), c.Floats(40), c.Result(12 * 40), accumulate: true);
            return "N 12, outputs 40, inputs 72";
        })));

    public static IEnumerable<VersionCase> Wgmma() => ((ProductTile[])[ProductTile.WgmmaNarrow, ProductTile.Wgmma]).SelectMany(tile => Products(tile, null))
        .Select(test => test with { Multiprocessors = FewMultiprocessors });

    public static IEnumerable<VersionCase> Split()
    {
        yield return new(new("NormMatMulEach, K in parts", Bf16, c => NormProducts(c, 40, 264, 72, 1032)), ProductTile.WgmmaSplit);
        yield return new(new("MatMul, K in parts, added", Bf16, c =>
        {
            c.Device.MatMul(c.Floats(20 * 776), c.Weights(DType.BF16, 200, 776), default, c.Result(20 * 200), accumulate: true);
            return "N 20, outputs 200, inputs 776";
        }), ProductTile.WgmmaSplit);
    }

    public static IEnumerable<VersionCase> WgmmaHead() => Head().Select(test => test with { Multiprocessors = FewMultiprocessors });

    public static IEnumerable<VersionCase> WgmmaAttention()
    {
        foreach (int size in (int[])[64, 128])
            yield return Named($"Cache and attention, head size {size}, prompts").Single();
        yield return new(new("Cache and attention, a longer prompt", Bf16, c => SelftestCases.AttendFromCache(c, 64, 270, 270, 60)));
    }

    public static IEnumerable<VersionCase> Steps() => Named(
        "ChooseOptions", "AddChosen", "SampleTokens, likeliest, penalty", "SampleTokens, all cuts", "ScoreTokens, 6 likeliest", "AdvanceRows").Append(new(new("Copies beside the work", 0, Copies)));

    public static IEnumerable<VersionCase> Overlap() => [new(new("two layers, token after token", 0, c => Layers(c)))];

    public static IEnumerable<VersionCase> Graphs() => [new(new("two layers, token after token, recorded", 0, c => Layers(c)))];

    private static IEnumerable<VersionCase> Named(params string[] names) =>
        names.Select(name => new VersionCase(DeviceSelftest.Cases.Single(test => test.Operation == name)));

    /// <summary>Every form of product, several tiles with an edge both ways, more steps of K than a ring has places.</summary>
    private static IEnumerable<VersionCase> Products(ProductTile tile, DType? half)
    {
        const int n = 72, q = 264, k = 328;
        yield return new(new($"NormMatMulEach, {tile}", Bf16, c => NormProducts(c, 136, q, 72, k)), tile);
        yield return new(new($"NormGateUp, {tile}", Bf16, c =>
        {
            c.Device.NormGateUp(
                c.Floats(n * k, 3), c.Floats(k), 1e-6f, c.Floats(n * k), c.Weights(DType.BF16, q, k, 0.2), c.Weights(DType.BF16, q, k), c.Result(n * q), c.Floats(n * q));
            return $"N {n}, D {k}, F {q}";
        }), tile);
        yield return new(new($"MatMulBackwardInput, {tile}", Bf16, c =>
        {
            c.Device.MatMulBackwardInput(c.Floats(n * k), c.Weights(DType.BF16, k, q), c.Result(n * q), accumulate: true);
            return $"N {n}, rows {k}, columns {q}";
        }), tile);
        yield return new(new($"MatMulBackwardWeight, {tile}", Bf16, c =>
        {
            c.Device.MatMulBackwardWeight(c.Floats(k * n), c.Floats(k * q), c.Parameters(n, q, true).Matrix, default);
            return $"N {k}, rows {n}, columns {q}";
        }), tile);
        if (half is not { } type) yield break;
        yield return new(new($"MatMul {type.Name()}, {tile}", Bf16, c =>
        {
            c.Device.MatMul(c.Floats(n * k), c.Weights(type, q, k), c.Floats(q), c.Result(n * q));
            return $"N {n}, outputs {q}, inputs {k}";
        }), tile);
    }

    private static string NormProducts(SelftestContext c, int n, int q, int kv, int d)
    {
        c.Device.NormMatMulEach(
            c.Floats(n * d, 3), c.Floats(d), 1e-6f, c.Floats(n * d), new Projection(c.Weights(DType.BF16, q, d), c.Floats(q), c.Result(n * q)),
            new Projection(c.Weights(DType.BF16, kv, d), c.Floats(kv), c.Result(n * kv)), new Projection(c.Weights(DType.BF16, kv, d), default, c.Result(n * kv)));
        return $"N {n}, D {d}, outputs {q}, {kv}, {kv}";
    }

    /// <summary>Uploads past the ring's pieces, a feed that wraps, results that are read while the next are made.</summary>
    private static string Copies(SelftestContext c)
    {
        const int n = 1000, turns = 5, large = 600_000;
        DeviceView<float> sum = c.Result(n), last = c.Result(turns * n), whole = c.Floats(large);
        using Feed<float> feed = c.Device.NewFeed<float>(n);
        using ReadBack<float> back = c.Device.NewReadBack<float>(n, 2);
        for (int turn = 0; turn < turns; turn++)
        {
            Span<float> host = feed.Host(n);
            for (int i = 0; i < n; i++) host[i] = c.Number(1);
            feed.Send();
            c.Device.Add(sum, feed.Take(), sum);
            feed.Release();
            back.Start(sum);
            back.Settle();
            if (turn > 0) last.Slice((turn - 1) * n, n).Upload(back.Read());
        }
        last.Slice((turns - 1) * n, n).Upload(back.Read());
        c.Device.Add(sum, whole.Slice(large - n, n), sum);
        return $"{turns} times {n} floats, {large} at once";
    }

    /// <summary>
    /// Two layers of a decoder over a growing cache, as decoding asks for them: each kernel reads what the one before it wrote, and after the
    /// second token the same operations come again and again.
    /// </summary>
    private static string Layers(SelftestContext c)
    {
        const int rows = 2, heads = 2, kvHeads = 1, size = 64, d = heads * size, kv = kvHeads * size, f = 192, layers = 2, tokens = 4, capacity = 8;
        ComputeDevice device = c.Device;
        DeviceView<float> x = c.Result(rows * d), normed = c.Floats(rows * d), gain = c.Floats(d), q = c.Floats(rows * d), k = c.Floats(rows * kv), v = c.Floats(rows * kv);
        DeviceView<float> attended = c.Floats(rows * d), gate = c.Floats(rows * f), up = c.Floats(rows * f), angles = c.Floats(capacity * size), history = c.Result(tokens * rows * d);
        DeviceView<int> positions = c.Upload(new int[rows]), cacheRows = c.Upload(new int[rows]);
        var weights = new DeviceMatrix[layers][];
        var caches = new (CacheView Keys, CacheView Values)[layers];
        for (int layer = 0; layer < layers; layer++)
        {
            DeviceMatrix W(int outputs, int inputs) => c.Weights(DType.BF16, outputs, inputs, 0.1);
            weights[layer] = [W(d, d), W(kv, d), W(kv, d), W(d, d), W(f, d), W(f, d), W(d, f)];
            caches[layer] = (c.Cache(size, rows * capacity * kv), c.Cache(size, rows * capacity * kv));
        }
        var spans = new SequenceSpan[rows];
        var key = new RepeatKey(x.Buffer!, caches, weights, angles.Buffer!, x.Buffer!, 0, rows);
        for (int token = 0; token < tokens; token++)
        {
            for (int row = 0; row < rows; row++) spans[row] = new SequenceSpan(row, 1, token, row * capacity);
            positions.Upload([token, token]);
            cacheRows.Upload([token, capacity + token]);
            device.Repeat(key, spans, Pass);
            device.Copy(x, history.Slice(token * rows * d, rows * d));
        }
        return $"{tokens} tokens, D {d}, F {f}, H {heads}, Hkv {kvHeads}";

        void Pass()
        {
            for (int layer = 0; layer < layers; layer++)
            {
                DeviceMatrix[] w = weights[layer];
                Projection toQ = new(w[0], default, q), toK = new(w[1], default, k), toV = new(w[2], default, v);
                (CacheView keys, CacheView values) = caches[layer];
                if (!device.NormRopeToCache(x, gain, 1e-6f, toQ, toK, toV, positions, angles, cacheRows, keys, values, size))
                {
                    device.NormMatMulEach(x, gain, 1e-6f, normed, toQ, toK, toV);
                    device.RopeToCache(q, k, v, positions, angles, cacheRows, keys, values, size);
                }
                device.Attention(q, keys, values, spans, attended, heads, kvHeads, size);
                device.MatMul(attended, w[3], default, x, accumulate: true);
                device.NormGateUp(x, gain, 1e-6f, normed, w[4], w[5], gate, up);
                device.MatMul(gate, w[6], default, x, accumulate: true);
            }
        }
    }
}
#endif
