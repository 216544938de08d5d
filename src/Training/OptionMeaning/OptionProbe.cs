using System.Runtime.InteropServices;
using OllmNative.Model;

namespace OllmNative.Training;

/// <summary>
/// Measures what the options of an OLLM say at the target positions of rows: one pass of the backbone, K + 1 passes over the
/// head and one of the encoder for each of the backbone's likeliest tokens. A block of positions at a time goes through the
/// head, so no [tokens, V] matrix exists.
/// </summary>
public sealed class OptionProbe : IDisposable
{
    /// <summary>Tokens of the backbone that the mutual information counts, unless the vocabulary is smaller.</summary>
    public const int LikelyTokens = 8;

    private const int TokensPerPass = 1024, BlockFloats = 1 << 24, MaxBlockRows = 64;

    private readonly QwenBackbone _backbone;
    private readonly ComputeDevice _device;
    private readonly int _d, _k, _vocab, _likely, _capacity, _block;
    private readonly TokenBatch _batch;
    private readonly KvCache _cache;
    private readonly ForwardBuffers _buffers;
    private readonly Encoder _encoder;
    private readonly Decoder _decoder;
    private readonly Policy _policy;
    private readonly DeviceBuffer<float> _all, _hidden, _repeated, _embedded, _optionLogits, _z, _bent, _logits;
    private readonly DeviceBuffer<int> _rows, _tokens;
    private readonly float[] _backboneP, _optionP, _mixture, _pi, _q, _likelyQ;
    private readonly double[] _encoderUsage, _policyUsage;

    /// <summary>Allocates for rows of up to <paramref name="longestRow"/> tokens.</summary>
    public OptionProbe(QwenBackbone backbone, OllmModel ollm, int longestRow)
    {
        ArgumentNullException.ThrowIfNull(backbone);
        ArgumentNullException.ThrowIfNull(ollm);
        (_backbone, _device) = (backbone, backbone.Device);
        (_d, _k, _vocab, _capacity) = (ollm.Shape.HiddenSize, ollm.Shape.Options, backbone.Config.VocabSize, Math.Max(TokensPerPass, longestRow));
        _likely = Math.Min(LikelyTokens, _vocab);
        _block = Math.Clamp(BlockFloats / _vocab, 1, MaxBlockRows);
        _batch = new TokenBatch(_device, _capacity);
        _cache = new KvCache(_device, backbone.Config, _capacity, singlePass: true);
        _buffers = new ForwardBuffers(_device, backbone.Config, _capacity);
        int wide = _block * _likely;
        (_encoder, _decoder, _policy) = (new(_device, ollm.Parameters, null, wide), new(_device, ollm.Parameters, null, _block), new(_device, ollm.Parameters, null, _block));
        DeviceBuffer<float> Floats(long length) => _device.Allocate<float>(length);
        (_all, _hidden) = (Floats((long)_capacity * _d), Floats((long)_block * _d));
        (_repeated, _embedded, _optionLogits) = (Floats((long)wide * _d), Floats((long)wide * _d), Floats((long)wide * _k));
        (_z, _bent, _logits) = (Floats((long)_block * _k), Floats((long)_block * _d), Floats((long)_block * _vocab));
        (_rows, _tokens) = (_device.Allocate<int>(wide), _device.Allocate<int>(wide));
        int size = _block * _vocab;
        (_backboneP, _optionP, _mixture) = (new float[size], new float[size], new float[size]);
        (_pi, _q, _likelyQ) = (new float[_block * _k], new float[_block * _k], new float[wide * _k]);
        (_encoderUsage, _policyUsage) = (new double[_k], new double[_k]);
    }

    /// <summary>Measures all targets of the rows, in order.</summary>
    public OptionFacts Measure(IReadOnlyList<TokenRow> rows, Action<int>? onRows = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(rows);
        var positions = new List<OptionPosition>();
        Array.Clear(_encoderUsage);
        Array.Clear(_policyUsage);
        for (int first = 0; first < rows.Count;)
        {
            _batch.Clear();
            var at = new List<int>();
            var targets = new List<int>();
            for (; first < rows.Count && (_batch.Rows == 0 || _batch.Rows + rows[first].Tokens.Length <= _capacity); first++)
            {
                TokenRow row = rows[first];
                int start = _batch.Add(row.Tokens, 0, _batch.Rows);
                for (int t = row.FirstTarget; t < row.Tokens.Length; t++)
                {
                    at.Add(start + t - 1);
                    targets.Add(row.Tokens[t]);
                }
            }
            if (at.Count > 0) Pass(CollectionsMarshal.AsSpan(at), CollectionsMarshal.AsSpan(targets), positions, cancellation);
            onRows?.Invoke(first);
        }
        double n = Math.Max(1, positions.Count);
        return new OptionFacts(positions, [.. _encoderUsage.Select(sum => sum / n)], [.. _policyUsage.Select(sum => sum / n)]);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        IDisposable[] owned =
        [
            _batch, _cache, _buffers, _encoder, _decoder, _policy, _all, _hidden, _repeated, _embedded, _optionLogits, _z, _bent, _logits, _rows, _tokens,
        ];
        foreach (IDisposable item in owned) item.Dispose();
    }

    private void Pass(ReadOnlySpan<int> at, ReadOnlySpan<int> targets, List<OptionPosition> positions, CancellationToken cancellation)
    {
        _batch.Upload();
        _backbone.Forward(_batch, _cache, _buffers, _all.First((long)_batch.Rows * _d));
        for (int first = 0; first < at.Length; first += _block)
        {
            cancellation.ThrowIfCancellationRequested();
            int n = Math.Min(_block, at.Length - first);
            _rows.First(n).Upload(at.Slice(first, n));
            _device.GatherRows(_all.View, _rows.First(n), _hidden.First((long)n * _d), _d);
            Block(targets.Slice(first, n), positions);
        }
    }

    private void Block(ReadOnlySpan<int> targets, List<OptionPosition> positions)
    {
        int n = targets.Length;
        DeviceView<float> h = _hidden.First((long)n * _d);
        Probabilities(h, _backboneP);                                                        // p  [n, V]
        _policy.Forward(h, _optionLogits.First((long)n * _k));
        Softmax(_optionLogits.First((long)n * _k), _pi, n * _k);                             // pi [n, K]
        Encode(h, targets, 1, _q);                                                           // q  [n, K] at the true token
        var likely = new int[n * _likely];
        for (int i = 0; i < n; i++) LikeliestTokens(_backboneP.AsSpan(i * _vocab, _vocab), likely.AsSpan(i * _likely, _likely));
        Encode(h, likely, _likely, _likelyQ);                                                // q  [n * likely, K]
        (int[][] best, double[] conditional) = Decode(h, n);
        for (int i = 0; i < n; i++)
        {
            ReadOnlySpan<float> p = _backboneP.AsSpan(i * _vocab, _vocab), q = _q.AsSpan(i * _k, _k), pi = _pi.AsSpan(i * _k, _k);
            double information = Information(p, likely.AsSpan(i * _likely, _likely), _likelyQ.AsSpan(i * _likely * _k, _likely * _k), _k, out double mass);
            double decoder = Math.Max(0, Entropy(_mixture.AsSpan(i * _vocab, _vocab)) - conditional[i]);
            positions.Add(new OptionPosition(
                (float)Entropy(p), (float)Entropy(q), (float)Entropy(pi), best[i].Distinct().Count(), (float)information, (float)Divergence(q, pi),
                (float)decoder, (float)mass, IndexOfMax(q)));
            for (int k = 0; k < _k; k++)
            {
                _encoderUsage[k] += q[k];
                _policyUsage[k] += pi[k];
            }
        }
    }

    /// <summary>
    /// Each option's argmax token, [n][K], and sum_k pi_k H(p_k), [n]; the mixture sum_k pi_k p_k is left in a buffer.
    /// </summary>
    private (int[][] Best, double[] Conditional) Decode(DeviceView<float> h, int n)
    {
        int[][] best = [.. Enumerable.Range(0, n).Select(_ => new int[_k])];
        var conditional = new double[n];
        var z = new float[n * _k];
        _mixture.AsSpan(0, n * _vocab).Clear();
        for (int k = 0; k < _k; k++)
        {
            Array.Clear(z);
            for (int i = 0; i < n; i++) z[i * _k + k] = 1;
            _z.First(z.Length).Upload(z);
            _decoder.Forward(h, _z.First(z.Length), _bent.First((long)n * _d));
            Probabilities(_bent.First((long)n * _d), _optionP);                              // p_k [n, V]
            for (int i = 0; i < n; i++)
            {
                ReadOnlySpan<float> p = _optionP.AsSpan(i * _vocab, _vocab);
                Span<float> mixture = _mixture.AsSpan(i * _vocab, _vocab);
                float weight = _pi[i * _k + k];
                for (int v = 0; v < p.Length; v++) mixture[v] += weight * p[v];
                conditional[i] += weight * Entropy(p);
                best[i][k] = IndexOfMax(p);
            }
        }
        return (best, conditional);
    }

    private void Encode(DeviceView<float> h, ReadOnlySpan<int> tokens, int copies, float[] q)
    {
        int rows = tokens.Length;
        var source = new int[rows];
        for (int i = 0; i < rows; i++) source[i] = i / copies;
        _rows.First(rows).Upload(source);
        _tokens.First(rows).Upload(tokens);
        DeviceView<float> repeated = _repeated.First((long)rows * _d), e = _embedded.First((long)rows * _d), logits = _optionLogits.First((long)rows * _k);
        _device.GatherRows(h, _rows.First(rows), repeated, _d);
        _device.Embedding(_tokens.First(rows), _backbone.Embedding, e);
        _encoder.Forward(repeated, e, logits);
        Softmax(logits, q, rows * _k);
    }

    private void Softmax(DeviceView<float> logits, float[] p, int length)
    {
        _device.Softmax(logits, logits, _k);
        logits.Download(p.AsSpan(0, length));
    }

    private void Probabilities(DeviceView<float> hidden, float[] p)
    {
        int size = checked((int)(hidden.Length / _d)) * _vocab;
        _device.MatMul(hidden, _backbone.Head, default, _logits.First(size));
        _device.Softmax(_logits.First(size), _logits.First(size), _vocab);
        _logits.First(size).Download(p.AsSpan(0, size));
    }

    /// <summary>The likeliest tokens, likeliest first.</summary>
    private static void LikeliestTokens(ReadOnlySpan<float> p, Span<int> tokens)
    {
        int count = 0;
        for (int v = 0; v < p.Length; v++)
        {
            if (count == tokens.Length && p[v] <= p[tokens[count - 1]]) continue;
            int at = count < tokens.Length ? count++ : count - 1;
            for (; at > 0 && p[tokens[at - 1]] < p[v]; at--) tokens[at] = tokens[at - 1];
            tokens[at] = v;
        }
    }

    /// <summary>I(z; y | h) over the given tokens; q [tokens, K] is the encoder's distribution for each.</summary>
    internal static double Information(ReadOnlySpan<float> p, ReadOnlySpan<int> tokens, ReadOnlySpan<float> q, int options, out double mass)
    {
        mass = 0;
        foreach (int token in tokens) mass += p[token];
        var mean = new float[options];
        double conditional = 0;
        for (int j = 0; j < tokens.Length; j++)
        {
            double weight = p[tokens[j]] / mass;
            ReadOnlySpan<float> row = q.Slice(j * options, options);
            for (int k = 0; k < options; k++) mean[k] += (float)(weight * row[k]);
            conditional += weight * Entropy(row);
        }
        return Math.Max(0, Entropy(mean) - conditional);
    }

    internal static double Entropy(ReadOnlySpan<float> p)
    {
        double sum = 0;
        foreach (float x in p) sum -= x > 0 ? x * Math.Log(x) : 0;
        return Math.Max(0, sum);
    }

    private static double Divergence(ReadOnlySpan<float> q, ReadOnlySpan<float> pi)
    {
        double sum = 0;
        for (int k = 0; k < q.Length; k++) sum += q[k] > 0 ? q[k] * Math.Log(q[k] / Math.Max(pi[k], float.Epsilon)) : 0;
        return Math.Max(0, sum);
    }

    private static int IndexOfMax(ReadOnlySpan<float> values)
    {
        int best = 0;
        for (int i = 1; i < values.Length; i++)
        {
            if (values[i] > values[best]) best = i;
        }
        return best;
    }
}
