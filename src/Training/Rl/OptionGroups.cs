using OllmNative.Model;

namespace OllmNative.Training;

/// <summary>
/// Which options say the same token as the chosen one. Two such options lead to the same text, so the reward cannot tell them
/// apart: credited to their joint probability P = sum of pi_k over the group, the policy gradient keeps its mean and loses the
/// noise of a choice that changed nothing (Rao and Blackwell). Where all options agree the gradient is zero.
/// </summary>
internal sealed class OptionGroups : IDisposable
{
    // A block of logits takes 32 MiB at most.
    private const int BlockFloats = 1 << 23, MaxRows = 1024;

    private readonly ComputeDevice _device;
    private readonly DeviceMatrix _head;
    private readonly Decoder _decoder;
    private readonly int _d, _k, _vocab, _block;
    private readonly DeviceBuffer<float> _hidden, _z, _bent, _logits;
    private readonly DeviceBuffer<int> _picked;

    public OptionGroups(QwenBackbone backbone, OllmModel ollm, int vocabulary)
    {
        (_device, _d, _k) = (backbone.Device, ollm.Shape.HiddenSize, ollm.Shape.Options);
        _vocab = Math.Min(vocabulary, backbone.Config.VocabSize);
        _head = _device.FirstRows(backbone.Head, _vocab);
        _block = Math.Clamp(BlockFloats / _vocab, 1, MaxRows);
        _decoder = new Decoder(_device, ollm.Parameters, null, _block);
        DeviceBuffer<float> Floats(int columns) => _device.Allocate<float>((long)_block * columns);
        (_hidden, _z, _bent, _logits) = (Floats(_d), Floats(_k), Floats(_d), Floats(_vocab));
        _picked = _device.Allocate<int>(_block);
    }

    /// <summary>For each row and option whether its argmax token is that of the row's choice, [N, K].</summary>
    public bool[] Find(ReadOnlySpan<float> hidden, ReadOnlySpan<int> choices)
    {
        var same = new bool[choices.Length * _k];
        for (int first = 0; first < choices.Length; first += _block)
        {
            int n = Math.Min(_block, choices.Length - first);
            int[][] tokens = Tokens(hidden.Slice(first * _d, n * _d), n);
            for (int i = 0; i < n; i++)
            {
                int chosen = tokens[choices[first + i]][i];
                for (int k = 0; k < _k; k++) same[(first + i) * _k + k] = tokens[k][i] == chosen;
            }
        }
        return same;
    }

    /// <summary>
    /// The clipped surrogate of one row with the group in the place of the option: loss and its gradient for the policy's
    /// logits [K], times scale. A group of one gives <see cref="ComputeDevice.PolicyGradient"/>.
    /// </summary>
    public static double Gradient(
        ReadOnlySpan<float> logits, ReadOnlySpan<bool> group, float advantage, float oldLog, float clip, float entropyBonus, float scale, Span<float> dLogits)
    {
        float logSum = LogSum(logits, default), log = LogSum(logits, group) - logSum, ratio = MathF.Exp(log - oldLog), entropy = 0;
        foreach (float logit in logits) entropy -= MathF.Exp(logit - logSum) * (logit - logSum);
        bool flat = advantage >= 0 ? ratio > 1 + clip : ratio < 1 - clip;
        float gain = flat ? 0 : ratio * advantage;
        for (int k = 0; k < logits.Length; k++)
        {
            float p = MathF.Exp(logits[k] - logSum), within = group[k] ? MathF.Exp(logits[k] - logSum - log) : 0;
            dLogits[k] = scale * (gain * (p - within) + entropyBonus * p * (logits[k] - logSum + entropy));
        }
        return -MathF.Min(ratio * advantage, Math.Clamp(ratio, 1 - clip, 1 + clip) * advantage) - entropyBonus * entropy;
    }

    /// <summary>log of the group's probability.</summary>
    public static float LogProbability(ReadOnlySpan<float> logits, ReadOnlySpan<bool> group) => LogSum(logits, group) - LogSum(logits, default);

    public void Dispose()
    {
        foreach (IDisposable item in (IDisposable[])[_decoder, _hidden, _z, _bent, _logits, _picked]) item.Dispose();
    }

    /// <summary>Each option's argmax token, [K][n].</summary>
    private int[][] Tokens(ReadOnlySpan<float> hidden, int n)
    {
        var tokens = new int[_k][];
        var z = new float[n * _k];
        DeviceView<float> h = _hidden.First((long)n * _d), bent = _bent.First((long)n * _d), logits = _logits.First((long)n * _vocab);
        h.Upload(hidden);
        for (int k = 0; k < _k; k++)
        {
            Array.Clear(z);
            for (int i = 0; i < n; i++) z[i * _k + k] = 1;
            _z.First(z.Length).Upload(z);
            _decoder.Forward(h, _z.First(z.Length), bent);
            _device.MatMul(bent, _head, default, logits);
            _device.ArgMaxRows(logits, _picked.First(n), _vocab);
            tokens[k] = _picked.First(n).ToArray();
        }
        return tokens;
    }

    /// <summary>log sum exp over a group; over all when it is empty.</summary>
    private static float LogSum(ReadOnlySpan<float> logits, ReadOnlySpan<bool> group)
    {
        float max = float.NegativeInfinity, sum = 0;
        for (int k = 0; k < logits.Length; k++) max = group.IsEmpty || group[k] ? MathF.Max(max, logits[k]) : max;
        for (int k = 0; k < logits.Length; k++) sum += group.IsEmpty || group[k] ? MathF.Exp(logits[k] - max) : 0;
        return max + MathF.Log(sum);
    }
}
