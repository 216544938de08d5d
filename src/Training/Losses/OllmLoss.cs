using OllmNative.Model;

namespace OllmNative.Training;

/// <summary>Sums over target positions; means follow by dividing by <see cref="Targets"/>.</summary>
/// <param name="Ce">Sum of the token cross-entropies, nats.</param>
/// <param name="Kl">Sum of KL(q || uniform), nats.</param>
/// <param name="Policy">Sum of the policy's cross-entropy against q, nats.</param>
/// <param name="Hits">Targets that were the argmax under the z of training (marginal: under argmax q).</param>
/// <param name="Targets">Target positions.</param>
public readonly record struct LossSums(double Ce, double Kl, double Policy, long Hits, long Targets)
{
    /// <summary>Adds two sums.</summary>
    public static LossSums operator +(LossSums a, LossSums b) =>
        new(a.Ce + b.Ce, a.Kl + b.Kl, a.Policy + b.Policy, a.Hits + b.Hits, a.Targets + b.Targets);

    /// <summary>Sets a step's state to no sums, and to a weight of the KL term.</summary>
    internal static void Begin(DeviceView<double> state, double beta)
    {
        Span<double> values = stackalloc double[StepState.Length];
        values.Clear();
        values[StepState.BetaAt] = beta;
        state.Upload(values);
    }

    /// <summary>The sums in a step's state; waits for them.</summary>
    internal static LossSums Of(DeviceView<double> state, long targets)
    {
        Span<double> totals = stackalloc double[StepState.Totals];
        state.Slice(0, StepState.Totals).Download(totals);
        return new LossSums(totals[0], totals[1], totals[2], (long)totals[3], targets);
    }

    /// <summary>Adds two sums.</summary>
    public static LossSums Add(LossSums left, LossSums right) => left + right;
}

/// <summary>
/// The objective of OLLM (arXiv 2604.19087) with its hand-written gradient:
/// <c>L = L_ce + beta * L_kl + L_policy</c>, where L_ce = -log softmax(W_lm h')_y, L_kl = KL(q || uniform) and
/// L_policy = -sum_k stopgrad(q_k) log pi_k. Hidden states are frozen: gradients stop at h.
/// </summary>
public sealed class OllmLoss : IDisposable
{
    private readonly QwenBackbone _backbone;
    private readonly ComputeDevice _device;
    private readonly OllmTensors _gradients;
    private readonly int _d, _k, _maxRows;
    private readonly Encoder _encoder;
    private readonly Decoder _decoder;
    private readonly Policy _policy;
    private readonly OptionRows? _options;
    private readonly DeviceBuffer<int> _targets, _prediction;
    private readonly DeviceBuffer<ulong> _keys;
    private readonly DeviceBuffer<float> _target, _q, _encoderLogits, _soft, _z, _dZ, _dEncoder, _policyLogits, _dPolicy;
    private readonly DeviceBuffer<float> _bent, _dBent, _ce, _share, _loss, _kl, _policyLoss;
    private readonly DeviceBuffer<double> _own;
    private readonly int[] _hostTargets;

    /// <summary>Allocates activations and gradients.</summary>
    /// <param name="backbone">Gives the embedding and the head.</param>
    /// <param name="parameters">The modules' parameters.</param>
    /// <param name="gradients">Receives their gradients, added up over calls.</param>
    /// <param name="mode">How z is drawn.</param>
    /// <param name="maxRows">Target positions in one pass; more are done in several.</param>
    public OllmLoss(QwenBackbone backbone, OllmTensors parameters, OllmTensors gradients, LatentMode mode, int maxRows = 1024)
    {
        ArgumentNullException.ThrowIfNull(backbone);
        ArgumentNullException.ThrowIfNull(parameters);
        (_backbone, _device, _gradients, Mode) = (backbone, backbone.Device, gradients, mode);
        (_d, _k) = (parameters.Shape.HiddenSize, parameters.Shape.Options);
        // In the marginal mode every position becomes K rows of decoder and head.
        int copies = mode == LatentMode.Marginal ? _k : 1;
        _maxRows = Math.Max(1, maxRows / copies);
        int rows = _maxRows, wide = _maxRows * copies;
        _encoder = new Encoder(_device, parameters, gradients, rows);
        _decoder = new Decoder(_device, parameters, gradients, wide);
        _policy = new Policy(_device, parameters, gradients, rows);
        DeviceBuffer<float> Floats(long length) => _device.Allocate<float>(length);
        (_targets, _prediction, _keys) = (_device.Allocate<int>(wide), _device.Allocate<int>(wide), _device.Allocate<ulong>(rows));
        (_target, _q, _encoderLogits, _soft) = (Floats((long)rows * _d), Floats((long)rows * _k), Floats((long)rows * _k), Floats((long)rows * _k));
        (_z, _dZ, _dEncoder) = (Floats(mode == LatentMode.Gumbel ? (long)rows * _k : 0), Floats((long)rows * _k), Floats((long)rows * _k));
        (_policyLogits, _dPolicy) = (Floats((long)rows * _k), Floats((long)rows * _k));
        (_bent, _dBent) = (Floats((long)wide * _d), Floats((long)wide * _d));
        (_ce, _share, _loss, _kl, _policyLoss) = (Floats(wide), Floats(wide), Floats(rows), Floats(rows), Floats(rows));
        (_own, _hostTargets) = (_device.Allocate<double>(StepState.Length), new int[wide]);
        if (mode == LatentMode.Marginal) _options = new OptionRows(_device, _d, _k, rows);
    }

    /// <summary>How z is drawn.</summary>
    public LatentMode Mode { get; }

    /// <summary>
    /// Adds the gradients of <paramref name="scale"/> * sum over rows of the loss and returns the sums.
    /// </summary>
    /// <param name="hidden">h at the positions that predict the targets, [N, D].</param>
    /// <param name="targets">y, [N].</param>
    /// <param name="keys">The random key of each position, [N]; only the gumbel mode draws.</param>
    /// <param name="beta">Weight of the KL term.</param>
    /// <param name="scale">1 / (target positions of the whole step).</param>
    public LossSums Accumulate(DeviceView<float> hidden, ReadOnlySpan<int> targets, ReadOnlySpan<ulong> keys, float beta, float scale)
    {
        LossSums.Begin(_own.View, beta);
        Add(hidden, targets, keys, scale, _own.View);
        return LossSums.Of(_own.View, targets.Length);
    }

    /// <summary>The same with the weight of the KL term and the sums in a step's state (<see cref="StepState"/>): the host waits for nothing.</summary>
    /// <param name="hidden">h at the positions that predict the targets, [N, D].</param>
    /// <param name="targets">y, [N].</param>
    /// <param name="keys">The random key of each position, [N].</param>
    /// <param name="scale">1 / (target positions of the whole step).</param>
    /// <param name="state">Gives beta; its totals are added to.</param>
    public void Add(DeviceView<float> hidden, ReadOnlySpan<int> targets, ReadOnlySpan<ulong> keys, float scale, DeviceView<double> state)
    {
        for (int first = 0; first < targets.Length; first += _maxRows)
        {
            int rows = Math.Min(_maxRows, targets.Length - first);
            Pass(hidden.Slice((long)first * _d, (long)rows * _d), targets.Slice(first, rows), keys.Slice(first, rows), scale, state);
        }
        _encoder.FinishGradients();
        _decoder.FinishGradients();
        _policy.FinishGradients();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        IDisposable?[] owned =
        [
            _encoder, _decoder, _policy, _options, _targets, _prediction, _keys, _target, _q, _encoderLogits, _soft, _z, _dZ, _dEncoder,
            _policyLogits, _dPolicy, _bent, _dBent, _ce, _share, _loss, _kl, _policyLoss, _own,
        ];
        foreach (IDisposable? item in owned) item?.Dispose();
    }

    private void Pass(DeviceView<float> hidden, ReadOnlySpan<int> targets, ReadOnlySpan<ulong> keys, float scale, DeviceView<double> state)
    {
        int n = targets.Length;
        DeviceView<float> e = _target.First((long)n * _d), q = _q.First((long)n * _k), dEncoder = _dEncoder.First((long)n * _k);
        DeviceView<float> encoderLogits = _encoderLogits.First((long)n * _k);
        _targets.First(n).Upload(targets);

        _device.Embedding(_targets.First(n), _backbone.Embedding, e);                        // e  [N, D]
        _encoder.Forward(hidden, e, encoderLogits);                                          // lq [N, K]
        _device.Softmax(encoderLogits, q, _k);                                               // q  [N, K]
        bool marginal = Mode == LatentMode.Marginal;
        if (marginal) TokenLossMarginal(hidden, targets, q, dEncoder, scale);
        else TokenLoss(hidden, keys, encoderLogits, q, dEncoder, scale);
        _device.UniformKl(q, _kl.First(n), dEncoder, _k, scale, state.Slice(StepState.BetaAt, 1));
        _encoder.Backward(dEncoder);

        DeviceView<float> policyLogits = _policyLogits.First((long)n * _k), dPolicy = _dPolicy.First((long)n * _k);
        _policy.Forward(hidden, policyLogits);                                               // lp [N, K]
        _device.PolicyCrossEntropy(policyLogits, q, _policyLoss.First(n), dPolicy, _k, scale);
        _policy.Backward(dPolicy);
        // In the marginal mode the row under the likeliest option counts.
        int wide = marginal ? n * _k : n;
        _device.AddLosses(
            _loss.First(n), _kl.First(n), _policyLoss.First(n), _prediction.First(wide), _targets.First(wide), marginal ? q : default, state.Slice(0, StepState.Totals));
    }

    /// <summary>One z for each position: z = q (soft) or the hard sample with the gradient of the soft one (gumbel).</summary>
    private void TokenLoss(
        DeviceView<float> hidden, ReadOnlySpan<ulong> keys, DeviceView<float> encoderLogits, DeviceView<float> q, DeviceView<float> dEncoder, float scale)
    {
        int n = keys.Length;
        DeviceView<float> z = q, soft = q, bent = _bent.First((long)n * _d), dBent = _dBent.First(bent.Length), dZ = _dZ.First((long)n * _k);
        if (Mode == LatentMode.Gumbel)
        {
            (z, soft) = (_z.First((long)n * _k), _soft.First((long)n * _k));
            _keys.First(n).Upload(keys);
            _device.GumbelSoftmax(encoderLogits, _keys.First(n), 1, soft, z, _k);
        }
        _decoder.Forward(hidden, z, bent);                                                   // h' [N, D]
        _device.HeadCrossEntropy(bent, _backbone.Head, _targets.First(n), _loss.First(n), _prediction.First(n), dBent);
        _device.Scale(dBent, scale);
        _decoder.Backward(z, dBent, dZ);
        _device.SoftmaxBackward(soft, dZ, dEncoder, _k, 1, accumulate: false);
    }

    /// <summary>L_ce = -log sum_k q_k p_k(y): row n * K + k of decoder and head is position n under option k.</summary>
    private void TokenLossMarginal(DeviceView<float> hidden, ReadOnlySpan<int> targets, DeviceView<float> q, DeviceView<float> dEncoder, float scale)
    {
        int n = targets.Length, wide = n * _k;
        for (int i = 0; i < wide; i++) _hostTargets[i] = targets[i / _k];
        _targets.First(wide).Upload(_hostTargets.AsSpan(0, wide));
        DeviceView<float> expanded = _options!.Expand(hidden), z = _options.Choices(n);      // h  [N K, D]
        DeviceView<float> bent = _bent.First((long)wide * _d), dBent = _dBent.First((long)wide * _d);
        _decoder.Forward(expanded, z, bent);                                                 // h' [N K, D]
        _device.HeadCrossEntropy(bent, _backbone.Head, _targets.First(wide), _ce.First(wide), _prediction.First(wide), dBent);
        _device.MarginalLoss(q, _ce.First(wide), _loss.First(n), _dZ.First(wide), _share.First(wide), _k, scale);
        _device.ScaleRows(dBent, _share.First(wide), _d);
        _decoder.Backward(z, dBent, default);
        _device.SoftmaxBackward(q, _dZ.First(wide), dEncoder, _k, 1, accumulate: false);
    }
}
