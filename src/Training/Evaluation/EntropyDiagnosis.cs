using System.Runtime.InteropServices;
using OllmNative.Model;

namespace OllmNative.Training;

/// <summary>How open the next token is at one position.</summary>
/// <param name="Row">Index of the row.</param>
/// <param name="Index">Index in the row of the token that follows.</param>
/// <param name="Entropy">Entropy of the backbone's distribution, nats.</param>
/// <param name="Likeliest">The likeliest token.</param>
/// <param name="LikeliestProbability">Its probability.</param>
/// <param name="Second">The second likeliest token.</param>
/// <param name="SecondProbability">Its probability.</param>
public readonly record struct PositionEntropy(int Row, int Index, float Entropy, int Likeliest, float LikeliestProbability, int Second, float SecondProbability)
{
    /// <summary>Probability of the two likeliest tokens together.</summary>
    public float TopTwo => LikeliestProbability + SecondProbability;
}

/// <summary>
/// Entropy of the backbone's next-token distribution at the target positions of rows (the paper's Fig. 1 and Appendix B).
/// The head runs on a block of positions at a time, so no [tokens, V] matrix exists.
/// </summary>
public sealed class EntropyDiagnosis : IDisposable
{
    private const int TokensPerPass = 1024;

    // A block of logits and one of probabilities take 64 MiB each at most.
    private const int BlockFloats = 1 << 24, MaxBlockRows = 64;

    private readonly QwenBackbone _backbone;
    private readonly TokenBatch _batch;
    private readonly KvCache _cache;
    private readonly ForwardBuffers _buffers;
    private readonly DeviceBuffer<float> _hidden, _atTargets, _logits, _probabilities;
    private readonly DeviceBuffer<int> _rows;
    private readonly float[] _hostLogits, _hostProbabilities;
    private readonly int _d, _vocab, _capacity, _block;

    /// <summary>Allocates for rows of up to <paramref name="longestRow"/> tokens.</summary>
    public EntropyDiagnosis(QwenBackbone backbone, int longestRow)
    {
        ArgumentNullException.ThrowIfNull(backbone);
        ComputeDevice device = backbone.Device;
        (_backbone, _d, _vocab, _capacity) = (backbone, backbone.Config.HiddenSize, backbone.Config.VocabSize, Math.Max(TokensPerPass, longestRow));
        _block = Math.Clamp(BlockFloats / _vocab, 1, MaxBlockRows);
        _batch = new TokenBatch(device, _capacity);
        _cache = new KvCache(device, backbone.Config, _capacity, singlePass: true);
        _buffers = new ForwardBuffers(device, backbone.Config, _capacity);
        (_hidden, _atTargets) = (device.Allocate<float>((long)_capacity * _d), device.Allocate<float>((long)_capacity * _d));
        (_logits, _probabilities) = (device.Allocate<float>((long)_block * _vocab), device.Allocate<float>((long)_block * _vocab));
        _rows = device.Allocate<int>(_capacity);
        (_hostLogits, _hostProbabilities) = (new float[_block * _vocab], new float[_block * _vocab]);
    }

    /// <summary>One entry for each target of each row, in order.</summary>
    public IReadOnlyList<PositionEntropy> Measure(IReadOnlyList<TokenRow> rows, Action<int>? onRows = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(rows);
        var results = new List<PositionEntropy>();
        for (int first = 0; first < rows.Count;)
        {
            _batch.Clear();
            var at = new List<int>();
            var places = new List<(int Row, int Index)>();
            for (; first < rows.Count && (_batch.Rows == 0 || _batch.Rows + rows[first].Tokens.Length <= _capacity); first++)
            {
                TokenRow row = rows[first];
                int start = _batch.Add(row.Tokens, 0, _batch.Rows);
                for (int t = row.FirstTarget; t < row.Tokens.Length; t++)
                {
                    at.Add(start + t - 1);
                    places.Add((first, t));
                }
            }
            if (at.Count > 0) Pass(CollectionsMarshal.AsSpan(at), places, results, cancellation);
            onRows?.Invoke(first);
        }
        return results;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        IDisposable[] owned = [_batch, _cache, _buffers, _hidden, _atTargets, _logits, _probabilities, _rows];
        foreach (IDisposable item in owned) item.Dispose();
    }

    private void Pass(ReadOnlySpan<int> at, List<(int Row, int Index)> places, List<PositionEntropy> results, CancellationToken cancellation)
    {
        ComputeDevice device = _backbone.Device;
        _batch.Upload();
        DeviceView<float> hidden = _hidden.First((long)_batch.Rows * _d), targets = _atTargets.First((long)at.Length * _d);
        _backbone.Forward(_batch, _cache, _buffers, hidden);
        _rows.First(at.Length).Upload(at);
        device.GatherRows(hidden, _rows.First(at.Length), targets, _d);
        for (int first = 0; first < at.Length; first += _block)
        {
            cancellation.ThrowIfCancellationRequested();
            int n = Math.Min(_block, at.Length - first), size = n * _vocab;
            device.MatMul(targets.Slice((long)first * _d, (long)n * _d), _backbone.Head, default, _logits.First(size));   // [n, V]
            device.Softmax(_logits.First(size), _probabilities.First(size), _vocab);
            _logits.First(size).Download(_hostLogits.AsSpan(0, size));
            _probabilities.First(size).Download(_hostProbabilities.AsSpan(0, size));
            for (int i = 0; i < n; i++) results.Add(Describe(places[first + i], _hostLogits.AsSpan(i * _vocab, _vocab), _hostProbabilities.AsSpan(i * _vocab, _vocab)));
        }
    }

    /// <summary>With l the logits and m the likeliest token: H = -log p_m - sum p (l - l_m).</summary>
    private static PositionEntropy Describe((int Row, int Index) place, ReadOnlySpan<float> logits, ReadOnlySpan<float> p)
    {
        int best = 0, second = p.Length > 1 ? 1 : 0;
        for (int i = 1; i < p.Length; i++)
        {
            if (logits[i] > logits[best]) (best, second) = (i, best);
            else if (i == 1 || logits[i] > logits[second]) second = i;
        }
        double sum = 0;
        for (int i = 0; i < p.Length; i++) sum += (double)p[i] * (logits[i] - logits[best]);
        return new PositionEntropy(place.Row, place.Index, (float)Math.Max(0, -Math.Log(p[best]) - sum), best, p[best], second, p[second]);
    }
}
