using OllmNative.Model;

namespace OllmNative.Training;

/// <summary>Share of target tokens predicted right under teacher forcing.</summary>
/// <param name="Backbone">argmax W h.</param>
/// <param name="Policy">argmax W h' under the policy's likeliest option.</param>
/// <param name="Encoder">Under the encoder's likeliest option, which has seen the target.</param>
/// <param name="Oracle">Under any option.</param>
/// <param name="Targets">Target tokens counted.</param>
public sealed record TokenAccuracy(double Backbone, double Policy, double Encoder, double Oracle, long Targets);

/// <summary>Targets of one row, and how many of them were predicted right; see <see cref="TokenAccuracy"/>.</summary>
public readonly record struct TokenHits(int Targets, int Backbone, int Policy, int Encoder, int Oracle);

/// <summary>
/// Measures <see cref="TokenAccuracy"/> over rows: K + 1 passes over the head for each target; one without an OLLM, when
/// only the backbone is counted.
/// </summary>
public sealed class TokenAccuracyEvaluator : IDisposable
{
    private const int TokensPerPass = 1024;

    private readonly QwenBackbone _backbone;
    private readonly ComputeDevice _device;
    private readonly int _d, _k, _capacity;
    private readonly TokenBatch _batch;
    private readonly KvCache _cache;
    private readonly ForwardBuffers _buffers;
    private readonly Encoder? _encoder;
    private readonly Decoder? _decoder;
    private readonly Policy? _policy;
    private readonly OptionRows? _options;
    private readonly DeviceBuffer<float> _hidden, _atTargets, _target, _logits, _bent, _loss;
    private readonly DeviceBuffer<int> _rows, _targets, _choice, _prediction;

    /// <summary>Allocates for rows of up to <paramref name="longestRow"/> tokens.</summary>
    public TokenAccuracyEvaluator(QwenBackbone backbone, OllmModel? ollm, int longestRow)
    {
        ArgumentNullException.ThrowIfNull(backbone);
        (_backbone, _device) = (backbone, backbone.Device);
        (_d, _k, _capacity) = (backbone.Config.HiddenSize, ollm?.Shape.Options ?? 0, Math.Max(TokensPerPass, longestRow));
        _batch = new TokenBatch(_device, _capacity);
        _cache = new KvCache(_device, backbone.Config, _capacity, singlePass: true);
        _buffers = new ForwardBuffers(_device, backbone.Config, _capacity);
        if (ollm is not null)
        {
            _encoder = new Encoder(_device, ollm.Parameters, null, _capacity);
            _decoder = new Decoder(_device, ollm.Parameters, null, Math.Max(TokensPerPass, _k));
            _options = new OptionRows(_device, _d, _k, Math.Max(1, TokensPerPass / _k));
            _policy = new Policy(_device, ollm.Parameters, null, _capacity);
        }
        DeviceBuffer<float> Floats(int columns) => _device.Allocate<float>((long)_capacity * columns);
        (_hidden, _atTargets, _target, _logits, _bent, _loss) = (Floats(_d), Floats(_d), Floats(_d), Floats(_k), Floats(_d), Floats(1));
        (_rows, _targets) = (_device.Allocate<int>(_capacity), _device.Allocate<int>(_capacity));
        (_choice, _prediction) = (_device.Allocate<int>(_capacity), _device.Allocate<int>(_capacity));
    }

    /// <summary>Shares over all rows. Without an OLLM all but the backbone's are 0.</summary>
    public TokenAccuracy Measure(IReadOnlyList<TokenRow> rows, CancellationToken cancellation = default) => Sum(MeasureRows(rows, null, cancellation));

    /// <summary>The shares that the rows' counts make together.</summary>
    public static TokenAccuracy Sum(IReadOnlyCollection<TokenHits> rows)
    {
        long total = rows.Sum(row => (long)row.Targets);
        double Share(Func<TokenHits, long> count) => total == 0 ? 0 : (double)rows.Sum(count) / total;
        return new TokenAccuracy(Share(row => row.Backbone), Share(row => row.Policy), Share(row => row.Encoder), Share(row => row.Oracle), total);
    }

    /// <summary>Counts for each row by itself. Without an OLLM all but the backbone's are 0.</summary>
    public IReadOnlyList<TokenHits> MeasureRows(IReadOnlyList<TokenRow> rows, Action<int>? onRows = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(rows);
        var hits = new TokenHits[rows.Count];
        for (int first = 0; first < rows.Count;)
        {
            cancellation.ThrowIfCancellationRequested();
            _batch.Clear();
            var at = new List<int>();
            var targets = new List<int>();
            var owners = new List<int>();
            for (; first < rows.Count && (_batch.Rows == 0 || _batch.Rows + rows[first].Tokens.Length <= _capacity); first++)
            {
                TokenRow row = rows[first];
                int start = _batch.Add(row.Tokens, 0, _batch.Rows);
                hits[first] = new TokenHits(row.Targets, 0, 0, 0, 0);
                for (int t = row.FirstTarget; t < row.Tokens.Length; t++)
                {
                    at.Add(start + t - 1);
                    targets.Add(row.Tokens[t]);
                    owners.Add(first);
                }
            }
            if (targets.Count > 0) Count([.. at], [.. targets], owners, hits);
            onRows?.Invoke(first);
        }
        return hits;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        IDisposable?[] owned =
        [
            _batch, _cache, _buffers, _encoder, _decoder, _policy, _options, _hidden, _atTargets, _target, _logits, _bent, _loss, _rows, _targets, _choice, _prediction,
        ];
        foreach (IDisposable? item in owned) item?.Dispose();
    }

    private void Count(int[] at, int[] targets, List<int> owners, TokenHits[] hits)
    {
        int n = targets.Length;
        DeviceView<float> h = _atTargets.First((long)n * _d);
        _batch.Upload();
        DeviceView<float> all = _hidden.First((long)_batch.Rows * _d);
        _backbone.Forward(_batch, _cache, _buffers, all);
        _rows.First(n).Upload(at);
        _targets.First(n).Upload(targets);
        _device.GatherRows(all, _rows.First(n), h, _d);

        bool[] backbone = Right(h, targets), policy = new bool[n], encoder = new bool[n], oracle = new bool[n];
        if (_decoder is not null) CountOptions(h, targets, policy, encoder, oracle);
        for (int i = 0; i < n; i++)
        {
            TokenHits row = hits[owners[i]];
            hits[owners[i]] = row with
            {
                Backbone = row.Backbone + (backbone[i] ? 1 : 0),
                Policy = row.Policy + (policy[i] ? 1 : 0),
                Encoder = row.Encoder + (encoder[i] ? 1 : 0),
                Oracle = row.Oracle + (oracle[i] ? 1 : 0),
            };
        }
    }

    /// <summary>Whether each target is the argmax under the policy's, the encoder's and any option.</summary>
    private void CountOptions(DeviceView<float> h, int[] targets, bool[] policy, bool[] encoder, bool[] oracle)
    {
        int n = targets.Length;
        DeviceView<float> e = _target.First((long)n * _d), logits = _logits.First((long)n * _k);
        _policy!.Forward(h, logits);
        int[] byPolicy = Likeliest(logits, n);
        _device.Embedding(_targets.First(n), _backbone.Embedding, e);
        _encoder!.Forward(h, e, logits);
        int[] byEncoder = Likeliest(logits, n);
        int block = Math.Max(1, TokensPerPass / _k);
        for (int first = 0; first < n; first += block)
        {
            int count = Math.Min(block, n - first);
            DeviceView<float> expanded = _options!.Expand(h.Slice((long)first * _d, (long)count * _d)), bent = _bent.First(expanded.Length);
            _decoder!.Forward(expanded, _options.Choices(count), bent);                       // h' [count K, D]
            bool[] right = Right(bent, _options.Repeat(targets.AsSpan(first, count)));
            for (int i = 0; i < right.Length; i++)
            {
                (int row, int k) = (first + i / _k, i % _k);
                oracle[row] |= right[i];
                policy[row] |= right[i] && byPolicy[row] == k;
                encoder[row] |= right[i] && byEncoder[row] == k;
            }
        }
    }

    private bool[] Right(DeviceView<float> x, int[] targets)
    {
        int n = targets.Length;
        _targets.First(n).Upload(targets);
        _device.HeadCrossEntropy(x, _backbone.Head, _targets.First(n), _loss.First(n), _prediction.First(n), default);
        return [.. _prediction.First(n).ToArray().Select((token, i) => token == targets[i])];
    }

    private int[] Likeliest(DeviceView<float> logits, int n)
    {
        _device.ArgMaxRows(logits, _choice.First(n), _k);
        return _choice.First(n).ToArray();
    }
}
