namespace OllmNative.Model;

/// <summary>
/// Another device with each operation timed. Buffers and matrices are the other device's own, so they can be used with either.
/// Operations of a GPU only start there: their times are the host's, and <c>LaunchProfiler</c> has the GPU's.
/// </summary>
public sealed partial class ProfiledDevice : ComputeDevice
{
    private readonly ComputeDevice _device;
    private readonly OperationProfile _profile;

    /// <summary>Times a device, which this one then disposes of.</summary>
    public ProfiledDevice(ComputeDevice device, OperationProfile profile) => (_device, _profile) = (device, profile);

    /// <summary>The device itself, or, while a profile is being taken, the device with its operations timed.</summary>
    public static ComputeDevice Wrap(ComputeDevice device) => OperationProfile.Active is { } profile ? new ProfiledDevice(device, profile) : device;

    /// <summary>The device whose operations are timed.</summary>
    public ComputeDevice Inner => _device;

    /// <inheritdoc/>
    public override string Description => _device.Description;

    /// <inheritdoc/>
    public override DeviceBuffer<T> Allocate<T>(long length) => _device.Allocate<T>(length);

    /// <inheritdoc/>
    public override DeviceMatrix Matrix(MappedTensor tensor) => _device.Matrix(tensor);

    /// <inheritdoc/>
    public override DeviceMatrix Matrix(DeviceView<float> parameters, int rows, int columns) => _device.Matrix(parameters, rows, columns);

    /// <inheritdoc/>
    public override DeviceMatrix FirstRows(DeviceMatrix matrix, int rows) => _device.FirstRows(matrix, rows);

    /// <inheritdoc/>
    public override void Embedding(DeviceView<int> ids, DeviceMatrix table, DeviceView<float> output)
    {
        using var timer = new Timer(_profile, nameof(Embedding));
        _device.Embedding(ids, table, output);
    }

    /// <inheritdoc/>
    public override void ChooseOptions(DeviceView<float> logits, DeviceView<int> rows, DeviceView<float> pi, DeviceView<float> hot, DeviceView<int> chosen, int columns)
    {
        using var timer = new Timer(_profile, nameof(ChooseOptions));
        _device.ChooseOptions(logits, rows, pi, hot, chosen, columns);
    }

    /// <inheritdoc/>
    public override bool AdapterOutput(
        DeviceView<float> pre, DeviceMatrix w, DeviceView<float> bias, DeviceView<float> table, DeviceView<int> chosen, DeviceView<float> residual, DeviceView<float> output)
    {
        using var timer = new Timer(_profile, nameof(AdapterOutput));
        return _device.AdapterOutput(pre, w, bias, table, chosen, residual, output);
    }

    /// <inheritdoc/>
    public override void AddChosen(DeviceView<float> b, DeviceView<float> hidden, DeviceView<int> chosen, int columns)
    {
        using var timer = new Timer(_profile, nameof(AddChosen));
        _device.AddChosen(b, hidden, chosen, columns);
    }

    /// <inheritdoc/>
    public override void SampleTokens(DeviceView<float> logits, DeviceView<int> rows, DeviceView<float> knobs, DeviceView<int> seen, DeviceView<int> picked, int columns)
    {
        using var timer = new Timer(_profile, nameof(SampleTokens));
        _device.SampleTokens(logits, rows, knobs, seen, picked, columns);
    }

    /// <inheritdoc/>
    public override void ScoreTokens(DeviceView<float> logits, DeviceView<int> picked, DeviceView<int> tokens, DeviceView<float> numbers, int columns)
    {
        using var timer = new Timer(_profile, nameof(ScoreTokens));
        _device.ScoreTokens(logits, picked, tokens, numbers, columns);
    }

    /// <inheritdoc/>
    public override void AddOptions(DeviceView<float> z, DeviceMatrix table, DeviceView<float> pre)
    {
        using var timer = new Timer(_profile, nameof(AddOptions));
        _device.AddOptions(z, table, pre);
    }

    /// <inheritdoc/>
    public override void AdvanceRows(DeviceView<int> picked, DeviceView<int> chosen, DeviceView<int> batch, DeviceView<int> rows, DeviceView<int> seen, DeviceView<int> results)
    {
        using var timer = new Timer(_profile, nameof(AdvanceRows));
        _device.AdvanceRows(picked, chosen, batch, rows, seen, results);
    }

    /// <inheritdoc/>
    public override void SequencesAdvanced() => _device.SequencesAdvanced();

    /// <inheritdoc/>
    public override void GatherRows(DeviceView<float> input, DeviceView<int> rows, DeviceView<float> output, int columns)
    {
        using var timer = new Timer(_profile, nameof(GatherRows));
        _device.GatherRows(input, rows, output, columns);
    }

    /// <inheritdoc/>
    public override void RmsNorm(DeviceView<float> x, DeviceView<float> gain, DeviceView<float> output, float eps, int outputStride = 0)
    {
        using var timer = new Timer(_profile, nameof(RmsNorm));
        _device.RmsNorm(x, gain, output, eps, outputStride);
    }

    /// <inheritdoc/>
    public override void NormGainGradient(DeviceView<float> gain, DeviceView<float> w, DeviceView<float> dW, DeviceView<float> dGain)
    {
        using var timer = new Timer(_profile, nameof(NormGainGradient));
        _device.NormGainGradient(gain, w, dW, dGain);
    }

    /// <inheritdoc/>
    public override void MatMul(DeviceView<float> x, DeviceMatrix w, DeviceView<float> bias, DeviceView<float> output, bool accumulate = false)
    {
        using var timer = new Timer(_profile, nameof(MatMul));
        _device.MatMul(x, w, bias, output, accumulate);
    }

    /// <inheritdoc/>
    public override void MatMulBackwardInput(DeviceView<float> dy, DeviceMatrix w, DeviceView<float> dx, bool accumulate = false)
    {
        using var timer = new Timer(_profile, nameof(MatMulBackwardInput));
        _device.MatMulBackwardInput(dy, w, dx, accumulate);
    }

    /// <inheritdoc/>
    public override void MatMulBackwardWeight(DeviceView<float> dy, DeviceView<float> x, DeviceMatrix dW, DeviceView<float> dBias)
    {
        using var timer = new Timer(_profile, nameof(MatMulBackwardWeight));
        _device.MatMulBackwardWeight(dy, x, dW, dBias);
    }

    /// <inheritdoc/>
    public override void Rope(DeviceView<float> x, DeviceView<int> positions, DeviceView<float> cosSin, int headSize)
    {
        using var timer = new Timer(_profile, nameof(Rope));
        _device.Rope(x, positions, cosSin, headSize);
    }

    /// <inheritdoc/>
    public override void ScatterRows(DeviceView<float> x, DeviceView<int> cacheRows, DeviceView<float> cache, int columns)
    {
        using var timer = new Timer(_profile, nameof(ScatterRows));
        _device.ScatterRows(x, cacheRows, cache, columns);
    }

    /// <inheritdoc/>
    public override void Attention(
        DeviceView<float> q, CacheView keys, CacheView values, ReadOnlySpan<SequenceSpan> sequences,
        DeviceView<float> output, int heads, int kvHeads, int headSize)
    {
        using var timer = new Timer(_profile, nameof(Attention));
        _device.Attention(q, keys, values, sequences, output, heads, kvHeads, headSize);
    }

    /// <inheritdoc/>
    public override void SwiGlu(DeviceView<float> gate, DeviceView<float> up, DeviceView<float> output)
    {
        using var timer = new Timer(_profile, nameof(SwiGlu));
        _device.SwiGlu(gate, up, output);
    }

    /// <inheritdoc/>
    public override void Add(DeviceView<float> a, DeviceView<float> b, DeviceView<float> output)
    {
        using var timer = new Timer(_profile, nameof(Add));
        _device.Add(a, b, output);
    }

    /// <inheritdoc/>
    public override void Silu(DeviceView<float> x, DeviceView<float> output)
    {
        using var timer = new Timer(_profile, nameof(Silu));
        _device.Silu(x, output);
    }

    /// <inheritdoc/>
    public override void SiluBackward(DeviceView<float> x, DeviceView<float> dy, DeviceView<float> dx)
    {
        using var timer = new Timer(_profile, nameof(SiluBackward));
        _device.SiluBackward(x, dy, dx);
    }

    /// <inheritdoc/>
    public override void ScaleRows(DeviceView<float> x, DeviceView<float> scale, int columns)
    {
        using var timer = new Timer(_profile, nameof(ScaleRows));
        _device.ScaleRows(x, scale, columns);
    }

    /// <inheritdoc/>
    public override void Scale(DeviceView<float> x, float scale)
    {
        using var timer = new Timer(_profile, nameof(Scale));
        _device.Scale(x, scale);
    }

    /// <inheritdoc/>
    public override void HeadCrossEntropy(
        DeviceView<float> x, DeviceMatrix w, DeviceView<int> targets, DeviceView<float> loss, DeviceView<int> prediction, DeviceView<float> gradient)
    {
        using var timer = new Timer(_profile, nameof(HeadCrossEntropy));
        _device.HeadCrossEntropy(x, w, targets, loss, prediction, gradient);
    }

    /// <inheritdoc/>
    public override void ArgMaxRows(DeviceView<float> x, DeviceView<int> index, int columns)
    {
        using var timer = new Timer(_profile, nameof(ArgMaxRows));
        _device.ArgMaxRows(x, index, columns);
    }

    /// <inheritdoc/>
    public override void Softmax(DeviceView<float> x, DeviceView<float> p, int columns)
    {
        using var timer = new Timer(_profile, nameof(Softmax));
        _device.Softmax(x, p, columns);
    }

    /// <inheritdoc/>
    public override void SoftmaxBackward(DeviceView<float> p, DeviceView<float> dp, DeviceView<float> dx, int columns, float scale, bool accumulate)
    {
        using var timer = new Timer(_profile, nameof(SoftmaxBackward));
        _device.SoftmaxBackward(p, dp, dx, columns, scale, accumulate);
    }

    /// <inheritdoc/>
    public override void GumbelSoftmax(
        DeviceView<float> logits, DeviceView<ulong> keys, float temperature, DeviceView<float> soft, DeviceView<float> hard, int columns)
    {
        using var timer = new Timer(_profile, nameof(GumbelSoftmax));
        _device.GumbelSoftmax(logits, keys, temperature, soft, hard, columns);
    }

    /// <inheritdoc/>
    public override void UniformKl(DeviceView<float> q, DeviceView<float> kl, DeviceView<float> dLogits, int columns, float scale, DeviceView<double> factor = default)
    {
        using var timer = new Timer(_profile, nameof(UniformKl));
        _device.UniformKl(q, kl, dLogits, columns, scale, factor);
    }

    /// <inheritdoc/>
    public override void PolicyCrossEntropy(
        DeviceView<float> logits, DeviceView<float> q, DeviceView<float> loss, DeviceView<float> dLogits, int columns, float scale)
    {
        using var timer = new Timer(_profile, nameof(PolicyCrossEntropy));
        _device.PolicyCrossEntropy(logits, q, loss, dLogits, columns, scale);
    }

    /// <inheritdoc/>
    public override void MarginalLoss(
        DeviceView<float> q, DeviceView<float> ce, DeviceView<float> loss, DeviceView<float> dq, DeviceView<float> share, int columns, float scale)
    {
        using var timer = new Timer(_profile, nameof(MarginalLoss));
        _device.MarginalLoss(q, ce, loss, dq, share, columns, scale);
    }

    /// <inheritdoc/>
    public override void PolicyGradient(
        DeviceView<float> logits, DeviceView<int> options, DeviceView<float> advantage, DeviceView<float> oldLogProbability,
        float clip, float entropyBonus, DeviceView<float> loss, DeviceView<float> logProbability, DeviceView<float> dLogits, int columns, float scale)
    {
        using var timer = new Timer(_profile, nameof(PolicyGradient));
        _device.PolicyGradient(logits, options, advantage, oldLogProbability, clip, entropyBonus, loss, logProbability, dLogits, columns, scale);
    }

    /// <inheritdoc/>
    public override void AdamW(
        DeviceView<float> parameters, DeviceView<float> gradients, DeviceView<float> firstMoment, DeviceView<float> secondMoment, in AdamWStep step)
    {
        using var timer = new Timer(_profile, nameof(AdamW));
        _device.AdamW(parameters, gradients, firstMoment, secondMoment, in step);
    }

    /// <inheritdoc/>
    public override double SquaredNorm(DeviceView<float> x)
    {
        using var timer = new Timer(_profile, nameof(SquaredNorm));
        return _device.SquaredNorm(x);
    }

    /// <inheritdoc/>
    public override void Clear(DeviceView<float> x)
    {
        using var timer = new Timer(_profile, nameof(Clear));
        _device.Clear(x);
    }

    /// <inheritdoc/>
    public override void Copy(DeviceView<float> source, DeviceView<float> destination)
    {
        using var timer = new Timer(_profile, nameof(Copy));
        _device.Copy(source, destination);
    }

    /// <inheritdoc/>
    public override DeviceMatrix Quantize(DeviceMatrix matrix)
    {
        using var timer = new Timer(_profile, nameof(Quantize));
        return _device.Quantize(matrix);
    }

    /// <inheritdoc/>
    public override void MatMulEach(DeviceView<float> x, params ReadOnlySpan<Projection> projections)
    {
        using var timer = new Timer(_profile, nameof(MatMulEach));
        _device.MatMulEach(x, projections);
    }

    /// <inheritdoc/>
    public override void NormMatMulEach(
        DeviceView<float> x, DeviceView<float> gain, float eps, DeviceView<float> normed, params ReadOnlySpan<Projection> projections)
    {
        using var timer = new Timer(_profile, nameof(NormMatMulEach));
        _device.NormMatMulEach(x, gain, eps, normed, projections);
    }

    /// <inheritdoc/>
    public override void NormMlp(
        DeviceView<float> x, DeviceView<float> gain, float eps, DeviceView<float> normed, DeviceMatrix gate, DeviceMatrix up, DeviceMatrix down,
        DeviceView<float> hidden, DeviceView<float> upOutput)
    {
        using var timer = new Timer(_profile, nameof(NormMlp));
        _device.NormMlp(x, gain, eps, normed, gate, up, down, hidden, upOutput);
    }

    /// <inheritdoc/>
    public override void NormGateUp(
        DeviceView<float> x, DeviceView<float> gain, float eps, DeviceView<float> normed, DeviceMatrix gate, DeviceMatrix up,
        DeviceView<float> output, DeviceView<float> upOutput)
    {
        using var timer = new Timer(_profile, nameof(NormGateUp));
        _device.NormGateUp(x, gain, eps, normed, gate, up, output, upOutput);
    }

    /// <inheritdoc/>
    public override DType CacheType(int headSize) => _device.CacheType(headSize);

    /// <inheritdoc/>
    public override void CopyCache(CacheView source, CacheView destination)
    {
        using var timer = new Timer(_profile, nameof(CopyCache));
        _device.CopyCache(source, destination);
    }

    /// <inheritdoc/>
    public override void RopeToCache(
        DeviceView<float> q, DeviceView<float> k, DeviceView<float> v, DeviceView<int> positions, DeviceView<float> cosSin,
        DeviceView<int> cacheRows, CacheView keys, CacheView values, int headSize)
    {
        using var timer = new Timer(_profile, nameof(RopeToCache));
        _device.RopeToCache(q, k, v, positions, cosSin, cacheRows, keys, values, headSize);
    }

    // Not timed itself: where the device does it not in one go, its operations come here one by one.
    /// <inheritdoc/>
    public override bool NormRopeToCache(
        DeviceView<float> x, DeviceView<float> gain, float eps, in Projection q, in Projection k, in Projection v, DeviceView<int> positions,
        DeviceView<float> cosSin, DeviceView<int> cacheRows, CacheView keys, CacheView values, int headSize)
    {
        long started = System.Diagnostics.Stopwatch.GetTimestamp();
        bool done = _device.NormRopeToCache(x, gain, eps, q, k, v, positions, cosSin, cacheRows, keys, values, headSize);
        if (done) _profile.Add(nameof(NormRopeToCache), started);
        return done;
    }

    // Operations on several threads at once would be counted more than once.
    /// <inheritdoc/>
    public override IReadOnlyList<ComputeDevice> Lanes => [];

    /// <inheritdoc/>
    public override void Together(int count, Action<int> work) => _device.Together(count, work);

    // Not timed itself: where the work is not replayed, its operations come back here one by one.
    /// <inheritdoc/>
    public override void Repeat(in RepeatKey key, ReadOnlySpan<SequenceSpan> sequences, Action work) => _device.Repeat(in key, sequences, work);

    /// <inheritdoc/>
    public override void Synchronize()
    {
        using var timer = new Timer(_profile, nameof(Synchronize));
        _device.Synchronize();
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing) _device.Dispose();
    }

    /// <summary>From its making to its end, on the stack.</summary>
    private readonly ref struct Timer(OperationProfile profile, string operation)
    {
        private readonly long _started = System.Diagnostics.Stopwatch.GetTimestamp();

        public void Dispose() => profile.Add(operation, _started);
    }
}
