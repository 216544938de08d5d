namespace OllmNative.Model;

internal static partial class SelftestCases
{
    /// <summary>
    /// Differences of products whose inputs are rounded to bf16 (2^-9 each, at random): relative to the largest of the results, whose
    /// terms add up as a random walk.
    /// </summary>
    private const double Bf16 = 1e-2;

    public static IEnumerable<SelftestCase> Products()
    {
        foreach (DType type in (DType[])[DType.F32, DType.BF16, DType.F16])
        {
            foreach ((int least, int most) in ((int, int)[])[(1, 1), (2, 8), (9, 90)])
            {
                yield return new($"MatMul {type.Name()}, {least}-{most} rows", Bf16, c => MatMul(c, type, least, most, 8, accumulate: false));
                yield return new($"MatMul {type.Name()}, {least}-{most} rows, odd sizes, added", Bf16, c => MatMul(c, type, least, most, 1, accumulate: true));
            }
            yield return new($"MatMulBackwardInput {type.Name()}", Bf16, c => BackwardInput(c, type, 8, false));
            yield return new($"MatMulBackwardInput {type.Name()}, odd sizes, added", Bf16, c => BackwardInput(c, type, 1, true));
        }
        foreach (int multiple in (int[])[8, 1])
        {
            yield return new(multiple == 1 ? "MatMulBackwardWeight, odd sizes" : "MatMulBackwardWeight", Bf16, c =>
            {
                (int n, int rows, int columns) = (c.Between(1, 90), multiple * c.Between(1, 12), multiple * c.Between(1, 12));
                c.Device.MatMulBackwardWeight(c.Floats(n * rows), c.Floats(n * columns), c.Parameters(rows, columns, true).Matrix, c.Result(rows));
                return $"N {n}, rows {rows}, columns {columns}";
            });
        }
        yield return new("MatMul after AdamW", Bf16, ChangedParameters);
        foreach (DType type in (DType[])[DType.BF16, DType.F16])
        {
            yield return new($"NormMlp, last matrix {type.Name()}", Bf16, c =>
            {
                (int n, int d, int f) = (c.Between(1, 40), 8 * c.Between(1, 12), c.Between(0, 1) == 1 ? 8 * c.Between(1, 20) : c.Between(1, 100));
                DeviceMatrix gate = c.Weights(DType.BF16, f, d, 0.2), up = c.Weights(DType.BF16, f, d), down = c.Weights(type, d, f);
                DeviceView<float> x = c.Result(n * d), gain = c.Floats(d), normed = c.Floats(n * d), hidden = c.Floats(n * f), room = c.Floats(n * f);
                // Twice: the second finds the first one's copies.
                for (int layer = 0; layer < 2; layer++) c.Device.NormMlp(x, gain, 1e-6f, normed, gate, up, down, hidden, room);
                return $"N {n}, D {d}, F {f}";
            });
        }
        yield return new("MatMul, few outputs", Bf16, c =>
        {
            (int n, int outputs, int m) = (c.Between(17, 150), c.Between(1, 16), c.Between(1, 300));
            c.Device.MatMul(c.Floats(n * m), c.Parameters(outputs, m, false).Matrix, n % 2 == 0 ? c.Floats(outputs) : default, c.Result(n * outputs));
            c.Device.MatMulBackwardWeight(c.Floats(n * outputs), c.Floats(n * m), c.Parameters(outputs, m, true).Matrix, default);
            return $"N {n}, outputs {outputs}, inputs {m}";
        });
        yield return new("AdapterOutput and AdapterBackward, few outputs", Bf16, c => FewOutputs(c, c.Between(17, 150), c.Between(1, 16), c.Between(1, 300)));
        yield return new("AdapterOutput and AdapterBackward", Bf16, c => FewOutputs(c, c.Between(1, 70), c.Between(1, 40), 8 * c.Between(1, 20)));
        foreach ((int least, int most) in ((int, int)[])[(1, 1), (2, 4), (5, 8), (9, 16), (17, 20)])
        {
            yield return new($"NormMatMulEach, {least}-{most} rows", Bf16, c => NormMatMulEach(c, least, most));
            yield return new($"NormGateUp, {least}-{most} rows", Bf16, c => NormGateUp(c, least, most));
        }
    }

    public static IEnumerable<SelftestCase> Bytes()
    {
        foreach ((int least, int most) in ((int, int)[])[(1, 1), (2, 8), (9, 16), (17, 40)])
        {
            foreach (DType type in (DType[])[DType.F32, DType.BF16, DType.F16])
            {
                yield return new($"MatMul int8 of {type.Name()}, {least}-{most} rows", Bf16, c =>
                {
                    (int n, int outputs, int inputs) = (c.Between(least, most), c.Between(1, 100), (type == DType.F16 ? 2 : 16) * c.Between(1, 20));
                    c.Device.MatMul(c.Floats(n * inputs), c.Device.Quantize(c.Weights(type, outputs, inputs)), c.Floats(outputs), c.Result(n * outputs), n % 2 == 0);
                    return $"N {n}, outputs {outputs}, inputs {inputs}";
                });
            }
            yield return new($"NormMatMulEach and NormGateUp int8, {least}-{most} rows", Bf16, c =>
            {
                (int n, int d, int q, int f) = (c.Between(least, most), 16 * c.Between(1, 20), c.Between(1, 60), c.Between(1, 60));
                DeviceMatrix first = c.Device.Quantize(c.Weights(DType.BF16, q, d)), second = c.Device.Quantize(c.Weights(DType.BF16, f, d, 0.2)), third = c.Device.Quantize(c.Weights(DType.BF16, f, d));
                c.Device.NormMatMulEach(c.Floats(n * d, 3), c.Floats(d), 1e-6f, c.Floats(n * d), new Projection(first, c.Floats(q), c.Result(n * q)));
                c.Device.NormGateUp(c.Floats(n * d, 3), c.Floats(d), 1e-6f, c.Floats(n * d), second, third, c.Result(n * f), c.Floats(n * f));
                return $"N {n}, D {d}, outputs {q}, F {f}";
            });
        }
    }

    public static IEnumerable<SelftestCase> Attention()
    {
        foreach (int size in (int[])[24, 32, 64, 128])
        {
            yield return new($"Attention, head size {size}, prompts", Bf16, c => Attend(c, size, decoding: false));
            yield return new($"Attention, head size {size}, decoding", Bf16, c => Attend(c, size, decoding: true));
        }
        // Larger than the tiles' heads.
        yield return new("Attention, head size 160, decoding", Bf16, c => Attend(c, 160, decoding: true));
        foreach (int size in (int[])[64, 128])
        {
            foreach (bool bytes in (bool[])[false, true])
                yield return new($"NormRopeToCache and attention, head size {size}{(bytes ? ", int8" : "")}", Bf16, c => AttendInStep(c, size, bytes));
        }
        foreach (int size in (int[])[24, 64, 128])
        {
            yield return new($"Cache and attention, head size {size}, a few queries", Bf16, c => AttendFromCache(c, size, 1, 6, 600));
            if (!CacheView.IsBf16Head(size)) continue;
            yield return new($"Cache and attention, head size {size}, prompts", Bf16, c => AttendFromCache(c, size, 33, 150, 40));
            yield return new($"Cache and attention, head size {size}, decoding", Bf16, c => AttendFromCache(c, size, 1, 1, 1100));
        }
    }

    public static IEnumerable<SelftestCase> Head()
    {
        foreach (DType type in (DType[])[DType.F32, DType.BF16, DType.F16])
        {
            foreach (bool gradient in (bool[])[true, false])
            {
                yield return new($"HeadCrossEntropy {type.Name()}{(gradient ? "" : ", no gradient")}", Bf16, c =>
                {
                    (int n, int d, int v) = (c.Between(1, 30), 8 * c.Between(1, 8), 8 * c.Between(1, 60));
                    DeviceView<float> x = c.Floats(n * d);
                    DeviceMatrix w = c.Weights(type, v, d);
                    c.Device.HeadCrossEntropy(x, w, c.Ints(n, v), c.Result(n), c.Upload(new int[n]), gradient ? c.Result(n * d) : default);
                    return $"N {n}, D {d}, V {v}";
                });
            }
        }
        yield return new("HeadCrossEntropy, likely targets", Bf16, ConfidentHead);
        yield return new("HeadCrossEntropy, unlikely targets", Bf16, FarTargets);
    }

    /// <summary>Targets that are the likeliest entries by far: what a trained model's rows are like, and what the gradient's filter is for.</summary>
    private static string ConfidentHead(SelftestContext c)
    {
        (int n, int d, int v) = (c.Between(1, 20), 8 * c.Between(2, 6), 4096 + 8 * c.Between(1, 20));
        DeviceView<float> x = c.Floats(n * d, 12), logits = c.Upload(new float[n * v]);
        // Of inputs so large the rounding alone would move logits by a tenth: both devices get rounded ones.
        c.Device.RoundRows(x, c.Upload(new ushort[n * d]));
        DeviceMatrix w = c.Weights(DType.BF16, v, d);
        DeviceView<int> targets = c.Upload(new int[n]);
        c.Device.MatMul(x, w, default, logits);
        c.Device.ArgMaxRows(logits, targets, v);
        c.Device.HeadCrossEntropy(x, w, targets, c.Result(n), c.Indices(n), c.Result(n * d));
        return $"N {n}, D {d}, V {v}";
    }

    /// <summary>Targets hundreds of nats behind the likeliest entry: exponentials relative to them would not be finite.</summary>
    private static string FarTargets(SelftestContext c)
    {
        (int n, int d, int v) = (c.Between(1, 20), 8 * c.Between(2, 6), 8 * c.Between(20, 60));
        c.Device.HeadCrossEntropy(c.Floats(n * d, 100), c.Weights(DType.BF16, v, d), c.Ints(n, v), c.Result(n), c.Upload(new int[n]), default);
        return $"N {n}, D {d}, V {v}";
    }

    /// <summary>The second half of a module and its gradients, in one go or step by step, and what is left in dPre as an operand of the next product.</summary>
    private static string FewOutputs(SelftestContext c, int n, int outputs, int m)
    {
        DeviceView<float> pre = c.Floats((long)n * m, 3), bias = c.Floats(outputs), output = c.Result(n * outputs), dOutput = c.Floats(n * outputs);
        DeviceView<float> act = c.Floats((long)n * m), dPre = c.Result((long)n * m), dBias = c.Result(outputs), dPreBias = c.Result(m);
        DeviceMatrix w = c.Parameters(outputs, m, false).Matrix, dW = c.Parameters(outputs, m, true).Matrix, first = c.Parameters(m, 8, true).Matrix;
        c.Device.Silu(pre, act);
        if (!c.Device.AdapterOutput(pre, w, bias, default, default, default, output)) c.Device.MatMul(act, w, bias, output);
        bool whole = c.Device.AdapterBackward(pre, dOutput, w, dW, dBias, dPre, dPreBias);
        if (!whole)
        {
            c.Device.MatMulBackwardWeight(dOutput, act, dW, dBias);
            c.Device.MatMulBackwardInput(dOutput, w, dPre);
            c.Device.SiluBackward(pre, dPre, dPre);
        }
        c.Device.MatMulBackwardWeight(dPre, c.Floats(n * 8), first, whole ? default : dPreBias);
        return $"N {n}, M {m}, outputs {outputs}";
    }

    private static string MatMul(SelftestContext c, DType type, int least, int most, int multiple, bool accumulate)
    {
        (int n, int outputs, int inputs) = (c.Between(least, most), c.Between(1, 100), multiple * c.Between(1, 300 / (multiple + 1)));
        DeviceView<float> bias = c.Between(0, 1) == 1 ? c.Floats(outputs) : default;
        c.Device.MatMul(c.Floats(n * inputs), c.Weights(type, outputs, inputs), bias, c.Result(n * outputs), accumulate);
        return $"N {n}, outputs {outputs}, inputs {inputs}";
    }

    private static string NormMatMulEach(SelftestContext c, int least, int most)
    {
        (int n, int d, int q, int kv) = (c.Between(least, most), 8 * c.Between(1, 50), c.Between(1, 60), c.Between(1, 20));
        DeviceMatrix first = c.Weights(DType.BF16, q, d), second = c.Weights(DType.BF16, kv, d), third = c.Weights(DType.BF16, kv, d);
        c.Device.NormMatMulEach(
            c.Floats(n * d, 3), c.Floats(d), 1e-6f, c.Floats(n * d), new Projection(first, c.Floats(q), c.Result(n * q)),
            new Projection(second, c.Floats(kv), c.Result(n * kv)), new Projection(third, default, c.Result(n * kv)));
        return $"N {n}, D {d}, outputs {q}, {kv}, {kv}";
    }

    private static string NormGateUp(SelftestContext c, int least, int most)
    {
        (int n, int d, int f) = (c.Between(least, most), 8 * c.Between(1, 50), c.Between(1, 60));
        c.Device.NormGateUp(
            c.Floats(n * d, 3), c.Floats(d), 1e-6f, c.Floats(n * d), c.Weights(DType.BF16, f, d, 0.2), c.Weights(DType.BF16, f, d), c.Result(n * f), c.Floats(n * f));
        return $"N {n}, D {d}, F {f}";
    }

    private static string BackwardInput(SelftestContext c, DType type, int multiple, bool accumulate)
    {
        (int n, int rows, int columns) = (c.Between(1, 90), multiple * c.Between(1, 12), multiple * c.Between(1, 12));
        c.Device.MatMulBackwardInput(c.Floats(n * rows), c.Weights(type, rows, columns), c.Result(n * columns), accumulate);
        return $"N {n}, rows {rows}, columns {columns}";
    }

    /// <summary>A device that keeps copies of parameters in another form must notice that they change.</summary>
    private static string ChangedParameters(SelftestContext c)
    {
        (int n, int rows, int columns) = (c.Between(9, 40), 8 * c.Between(1, 9), 8 * c.Between(1, 9));
        DeviceView<float> x = c.Floats(n * columns);
        (DeviceMatrix w, DeviceView<float> parameters) = c.Parameters(rows, columns, result: true);
        c.Device.MatMul(x, w, default, c.Result(n * rows));
        c.Device.AdamW(parameters, c.Floats(parameters.Length), c.Floats(parameters.Length), c.Distributions(1, (int)parameters.Length), new AdamWStep(1, 0.3f, 0.9f, 0.999f, 1e-8f, 0, 1));
        c.Device.MatMul(x, w, default, c.Result(n * rows));
        c.Device.Scale(x, 2);
        c.Device.MatMul(x, w, default, c.Result(n * rows));
        return $"N {n}, outputs {rows}, inputs {columns}";
    }

    /// <summary>As a layer of the backbone does it: keys and values of earlier tokens, then new ones, in the device's own kind of cache.</summary>
    internal static string AttendFromCache(SelftestContext c, int size, int leastTokens, int mostTokens, int mostPast)
    {
        (int kvHeads, int group, int count) = (c.Between(1, 2), c.Between(1, 7), c.Between(1, 2));
        int width = kvHeads * size, heads = kvHeads * group, rows = 0, cacheRows = c.Between(0, 3), positions = mostPast + mostTokens;
        var spans = new SequenceSpan[count];
        for (int i = 0; i < count; i++)
        {
            (int tokens, int past) = (c.Between(leastTokens, mostTokens), c.Between(0, i == 0 ? mostPast : mostPast / 10));
            spans[i] = new SequenceSpan(rows, tokens, past, cacheRows);
            rows += tokens;
            cacheRows += past + tokens + c.Between(0, 2);
        }
        (CacheView keys, CacheView values, DeviceView<float> angles) = (c.Cache(size, (long)cacheRows * width), c.Cache(size, (long)cacheRows * width), c.Floats((long)positions * size));
        DeviceView<float> q = c.Floats((long)rows * heads * size, 2);
        foreach (SequenceSpan s in spans)
        {
            if (s.Past > 0) Fill(c, c.Floats((long)s.Past * heads * size), 0, s.Past, s.CacheRow);
            Fill(c, q.Slice((long)s.FirstRow * heads * size, (long)s.Count * heads * size), s.Past, s.Count, s.CacheRow + s.Past);
        }
        c.Device.Attention(q, keys, values, spans, c.Result((long)rows * heads * size), heads, kvHeads, size);
        return $"sequences {count}, queries {rows}, cache rows {cacheRows}, H {heads}, Hkv {kvHeads}";

        void Fill(SelftestContext c, DeviceView<float> queries, int position, int tokens, int row) => c.Device.RopeToCache(
            queries, c.Floats((long)tokens * width, 2), c.Floats((long)tokens * width), c.Upload([.. Enumerable.Range(position, tokens)]), angles,
            c.Upload([.. Enumerable.Range(row, tokens)]), keys, values, size);
    }

    /// <summary>A decoding step's layer up to its attention: one token of each sequence, whose earlier keys and values are there.</summary>
    private static string AttendInStep(SelftestContext c, int size, bool bytes)
    {
        (int kvHeads, int group, int count, int d) = (c.Between(1, 2), c.Between(1, 7), c.Between(1, 12), 16 * c.Between(1, 12));
        int width = kvHeads * size, queries = kvHeads * group * size, cacheRows = c.Between(0, 3);
        var spans = new SequenceSpan[count];
        for (int i = 0; i < count; i++)
        {
            spans[i] = new SequenceSpan(i, 1, c.Between(0, i == 0 ? 600 : 40), cacheRows);
            cacheRows += spans[i].Past + 1 + c.Between(0, 2);
        }
        (CacheView keys, CacheView values, DeviceView<float> angles) = (c.Cache(size, (long)cacheRows * width), c.Cache(size, (long)cacheRows * width), c.Floats(601L * size));
        foreach (SequenceSpan s in spans)
        {
            if (s.Past == 0) continue;
            c.Device.RopeToCache(
                c.Floats((long)s.Past * queries), c.Floats((long)s.Past * width, 2), c.Floats((long)s.Past * width), c.Upload([.. Enumerable.Range(0, s.Past)]), angles,
                c.Upload([.. Enumerable.Range(s.CacheRow, s.Past)]), keys, values, size);
        }
        DeviceMatrix Weights(int rows)
        {
            DeviceMatrix weights = c.Weights(DType.BF16, rows, d);
            return bytes ? c.Device.Quantize(weights) : weights;
        }
        DeviceView<float> x = c.Floats(count * d, 3), gain = c.Floats(d, 0.2), normed = c.Floats(count * d), turned = c.Result((long)count * queries);
        var q = new Projection(Weights(queries), c.Floats(queries), turned);
        var k = new Projection(Weights(width), c.Floats(width), c.Floats((long)count * width));
        var v = new Projection(Weights(width), default, c.Floats((long)count * width));
        DeviceView<int> positions = c.Upload(Array.ConvertAll(spans, s => s.Past)), rows = c.Upload(Array.ConvertAll(spans, s => s.CacheRow + s.Past));
        if (!c.Device.NormRopeToCache(x, gain, 1e-6f, q, k, v, positions, angles, rows, keys, values, size))
        {
            c.Device.NormMatMulEach(x, gain, 1e-6f, normed, q, k, v);
            c.Device.RopeToCache(q.Output, k.Output, v.Output, positions, angles, rows, keys, values, size);
        }
        c.Device.Attention(turned, keys, values, spans, c.Result((long)count * queries), kvHeads * group, kvHeads, size);
        return $"sequences {count}, cache rows {cacheRows}, D {d}, H {kvHeads * group}, Hkv {kvHeads}";
    }

    private static string Attend(SelftestContext c, int size, bool decoding)
    {
        (int kvHeads, int group, int count) = (c.Between(1, 2), c.Between(1, decoding ? 6 : 2), c.Between(1, 2));
        int rows = 0, cacheRows = c.Between(0, 3);
        var spans = new SequenceSpan[count];
        for (int i = 0; i < count; i++)
        {
            (int tokens, int past) = decoding ? (1, c.Between(0, i == 0 ? 600 : 40)) : (c.Between(1, 70), c.Between(0, 1) * c.Between(0, 30));
            spans[i] = new SequenceSpan(rows, tokens, past, cacheRows);
            rows += tokens;
            cacheRows += past + tokens + c.Between(0, 2);
        }
        int width = kvHeads * size, heads = kvHeads * group;
        c.Device.Attention(
            c.Floats((long)rows * heads * size, 2), c.Floats((long)cacheRows * width, 2), c.Floats((long)cacheRows * width), spans,
            c.Result((long)rows * heads * size), heads, kvHeads, size);
        return $"sequences {count}, queries {rows}, H {heads}, Hkv {kvHeads}";
    }
}
