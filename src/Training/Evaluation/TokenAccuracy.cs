using OllmNative.Model;

namespace OllmNative.Training;

/// <summary>Share of target tokens predicted right under teacher forcing.</summary>
/// <param name="Backbone">argmax W h.</param>
/// <param name="Policy">argmax W h' under the policy's likeliest option.</param>
/// <param name="Encoder">Under the encoder's likeliest option, which has seen the target.</param>
/// <param name="Oracle">Under any option.</param>
/// <param name="Targets">Target tokens counted.</param>
public sealed record TokenAccuracy(double Backbone, double Policy, double Encoder, double Oracle, long Targets);

/// <summary>Measures <see cref="TokenAccuracy"/> over rows: K + 1 passes over the head for each target.</summary>
public sealed class TokenAccuracyEvaluator : IDisposable
{
    private const int TokensPerPass = 1024;

    private readonly QwenBackbone _backbone;
    private readonly ComputeDevice _device;
    private readonly OllmModel _ollm;
    private readonly int _d, _k, _capacity;
    private readonly TokenBatch _batch;
    private readonly KvCache _cache;
    private readonly ForwardBuffers _buffers;
    private readonly Encoder _encoder;
    private readonly Decoder _decoder;
    private readonly Policy _policy;
    private readonly DeviceBuffer<float> _hidden, _atTargets, _target, _logits, _z, _bent, _loss;
    private readonly DeviceBuffer<int> _rows, _targets, _choice, _prediction;

    /// <summary>Allocates for rows of up to <paramref name="longestRow"/> tokens.</summary>
    public TokenAccuracyEvaluator(QwenBackbone backbone, OllmModel ollm, int longestRow)
    {
        ArgumentNullException.ThrowIfNull(backbone);
        ArgumentNullException.ThrowIfNull(ollm);
        (_backbone, _device, _ollm) = (backbone, backbone.Device, ollm);
        (_d, _k, _capacity) = (ollm.Shape.HiddenSize, ollm.Shape.Options, Math.Max(TokensPerPass, longestRow));
        _batch = new TokenBatch(_device, _capacity);
        _cache = new KvCache(_device, backbone.Config, _capacity, singlePass: true);
        _buffers = new ForwardBuffers(_device, backbone.Config, _capacity);
        _encoder = new Encoder(_device, ollm.Parameters, null, _capacity);
        _decoder = new Decoder(_device, ollm.Parameters, null, _capacity);
        _policy = new Policy(_device, ollm.Parameters, null, _capacity);
        DeviceBuffer<float> Floats(int columns) => _device.Allocate<float>((long)_capacity * columns);
        (_hidden, _atTargets, _target, _logits, _z, _bent, _loss) = (Floats(_d), Floats(_d), Floats(_d), Floats(_k), Floats(_k), Floats(_d), Floats(1));
        (_rows, _targets) = (_device.Allocate<int>(_capacity), _device.Allocate<int>(_capacity));
        (_choice, _prediction) = (_device.Allocate<int>(_capacity), _device.Allocate<int>(_capacity));
    }

    /// <summary>Counts over all rows.</summary>
    public TokenAccuracy Measure(IReadOnlyList<TokenRow> rows, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(rows);
        var hits = new long[4];
        long total = 0;
        for (int first = 0; first < rows.Count;)
        {
            cancellation.ThrowIfCancellationRequested();
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
            if (targets.Count > 0) Count([.. at], [.. targets], hits);
            total += targets.Count;
        }
        double Share(int i) => total == 0 ? 0 : (double)hits[i] / total;
        return new TokenAccuracy(Share(0), Share(1), Share(2), Share(3), total);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        IDisposable[] owned =
        [
            _batch, _cache, _buffers, _encoder, _decoder, _policy, _hidden, _atTargets, _target, _logits, _z, _bent, _loss, _rows, _targets, _choice, _prediction,
        ];
        foreach (IDisposable item in owned) item.Dispose();
    }

    private void Count(int[] at, int[] targets, long[] hits)
    {
        int n = targets.Length;
        DeviceView<float> h = _atTargets.First((long)n * _d), e = _target.First((long)n * _d), logits = _logits.First((long)n * _k);
        _batch.Upload();
        DeviceView<float> all = _hidden.First((long)_batch.Rows * _d);
        _backbone.Forward(_batch, _cache, _buffers, all);
        _rows.First(n).Upload(at);
        _targets.First(n).Upload(targets);
        _device.GatherRows(all, _rows.First(n), h, _d);

        bool[] Right(DeviceView<float> x)
        {
            _device.HeadCrossEntropy(x, _backbone.Head, _targets.First(n), _loss.First(n), _prediction.First(n), default);
            return [.. _prediction.First(n).ToArray().Select((token, i) => token == targets[i])];
        }

        int[] Likeliest()
        {
            _device.ArgMaxRows(logits, _choice.First(n), _k);
            return _choice.First(n).ToArray();
        }

        hits[0] += Right(h).Count(right => right);
        _policy.Forward(h, logits);
        int[] byPolicy = Likeliest();
        _device.Embedding(_targets.First(n), _backbone.Embedding, e);
        _encoder.Forward(h, e, logits);
        int[] byEncoder = Likeliest();
        var any = new bool[n];
        var z = new float[n * _k];
        for (int k = 0; k < _k; k++)
        {
            Array.Clear(z);
            for (int i = 0; i < n; i++) z[i * _k + k] = 1;
            _z.First(z.Length).Upload(z);
            _decoder.Forward(h, _z.First(z.Length), _bent.First((long)n * _d));
            bool[] right = Right(_bent.First((long)n * _d));
            for (int i = 0; i < n; i++)
            {
                any[i] |= right[i];
                if (right[i] && byPolicy[i] == k) hits[1]++;
                if (right[i] && byEncoder[i] == k) hits[2]++;
            }
        }
        hits[3] += any.Count(right => right);
    }
}
