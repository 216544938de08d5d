using OllmNative.Model;

namespace OllmNative.Training;

/// <summary>
/// Reinforcement learning in the space of options: only <c>policy.*</c> trains. Rollouts draw the option of every token from
/// the policy, tokens are the argmax. The backbone, encoder and decoder stay as they are, so an output never leaves the
/// language that the options span.
/// </summary>
public sealed class LatentRl : AnswerRl
{
    private const int RowsPerPass = 2048;

    private readonly Policy _policy;
    private readonly int _k;
    private readonly DeviceBuffer<float> _logits, _dLogits, _loss, _log;
    private readonly float[] _hostLoss = new float[RowsPerPass];

    /// <summary>Prepares a run.</summary>
    /// <exception cref="OllmException">An option is out of range, there is no problem or nothing to choose, or the context is too short.</exception>
    public LatentRl(QwenBackbone backbone, OllmModel ollm, Tokenizer tokenizer, IReadOnlyList<AnswerProblem> problems, IReadOnlyList<int> stopTokens, LatentRlOptions options)
        : base(backbone, WithOptions(ollm), tokenizer, problems, stopTokens, options, "policy", RowsPerPass)
    {
        _k = ollm.Shape.Options;
        _policy = new Policy(Device, ollm.Parameters, Gradients, RowsPerPass);
        (_logits, _dLogits) = (Device.Allocate<float>((long)RowsPerPass * _k), Device.Allocate<float>((long)RowsPerPass * _k));
        (_loss, _log) = (Device.Allocate<float>(RowsPerPass), Device.Allocate<float>(RowsPerPass));
    }

    /// <inheritdoc/>
    protected override GenerationRequest Rollout(AnswerProblem problem, ulong seed)
    {
        ArgumentNullException.ThrowIfNull(problem);
        return new GenerationRequest
        {
            Prompt = problem.Prompt, MaxTokens = Options.MaxTokens, StopTokens = StopTokens, Latent = LatentChoice.Sample, Record = true, Seed = seed,
        };
    }

    /// <inheritdoc/>
    protected override (IReadOnlyList<int> Choices, IReadOnlyList<float> LogProbabilities) ChoicesOf(GenerationRequest rollout)
    {
        ArgumentNullException.ThrowIfNull(rollout);
        return (rollout.Options, rollout.LogProbabilities);
    }

    /// <inheritdoc/>
    protected override double Pass(in RlBatch batch)
    {
        int n = (int)batch.Choices.Length;
        DeviceView<float> logits = _logits.First((long)n * _k), dLogits = _dLogits.First((long)n * _k);
        _policy.Forward(batch.Hidden, logits);
        Device.PolicyGradient(
            logits, batch.Choices, batch.Advantage, batch.OldLog, (float)Options.ClipRatio, batch.Entropy, _loss.First(n), _log.First(n), dLogits, _k, batch.Scale);
        _policy.Backward(batch.Hidden, dLogits);
        _loss.First(n).Download(_hostLoss.AsSpan(0, n));
        double sum = 0;
        for (int i = 0; i < n; i++) sum += _hostLoss[i];
        return sum;
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        base.Dispose(disposing);
        foreach (IDisposable item in (IDisposable[])[_policy, _logits, _dLogits, _loss, _log]) item.Dispose();
    }

    private static OllmModel WithOptions(OllmModel ollm)
    {
        ArgumentNullException.ThrowIfNull(ollm);
        return ollm.Shape.Options >= 2 ? ollm
            : throw new OllmException("latent RL needs an OLLM with at least 2 options; with K = 1 there is nothing to choose (token-level RL: --method token)");
    }
}
