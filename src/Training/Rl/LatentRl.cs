using OllmNative.Model;

namespace OllmNative.Training;

/// <summary>
/// Reinforcement learning in the space of options: only <c>policy.*</c> trains. Rollouts draw the option of every token from
/// the policy, tokens are the argmax. The backbone, encoder and decoder stay as they are, so an output never leaves the
/// language that the options span. With <see cref="RlCredit.Token"/> options that say the same token share what they earn.
/// </summary>
public sealed class LatentRl : AnswerRl
{
    private const int RowsPerPass = 2048;

    private readonly Policy _policy;
    private readonly int _k;
    private readonly DeviceBuffer<float> _logits, _dLogits, _loss, _log;
    private readonly float[] _hostLoss = new float[RowsPerPass], _hostLogits, _hostGradient;
    private readonly OptionGroups? _groups;
    private readonly DeviceBuffer<float>? _hidden;
    private bool[] _same = [];

    /// <summary>Prepares a run.</summary>
    /// <exception cref="OllmException">An option is out of range, there is no problem or nothing to choose, or the context is too short.</exception>
    public LatentRl(QwenBackbone backbone, OllmModel ollm, Tokenizer tokenizer, IReadOnlyList<AnswerProblem> problems, IReadOnlyList<int> stopTokens, LatentRlOptions options)
        : base(backbone, WithOptions(ollm), tokenizer, problems, stopTokens, options, "policy", RowsPerPass)
    {
        _k = ollm.Shape.Options;
        _policy = new Policy(Device, ollm.Parameters, Gradients, RowsPerPass);
        (_logits, _dLogits) = (Device.Allocate<float>((long)RowsPerPass * _k), Device.Allocate<float>((long)RowsPerPass * _k));
        (_loss, _log) = (Device.Allocate<float>(RowsPerPass), Device.Allocate<float>(RowsPerPass));
        (_hostLogits, _hostGradient) = (new float[RowsPerPass * _k], new float[RowsPerPass * _k]);
        if (options.Credit != RlCredit.Token) return;
        _groups = new OptionGroups(backbone, ollm, tokenizer.VocabularySize);
        _hidden = Device.Allocate<float>((long)RowsPerPass * ollm.Shape.HiddenSize);
    }

    /// <inheritdoc/>
    protected override GenerationRequest Rollout(AnswerProblem problem, ulong seed, GenerationRequest? finished)
    {
        ArgumentNullException.ThrowIfNull(problem);
        return new GenerationRequest(finished)
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

    /// <summary>With credit by token: finds the groups, drops rows where all options agree, and takes the groups' log-probabilities as the old ones.</summary>
    protected override void Prepare(RlExperience experience)
    {
        ArgumentNullException.ThrowIfNull(experience);
        if (_groups is null) return;
        int rows = experience.Rows;
        bool[] same = _groups.Find(RlExperience.Slice(experience.Hidden, 0, experience.Hidden.Count), RlExperience.Slice(experience.Choices, 0, rows));
        bool[] keep = [.. Enumerable.Range(0, rows).Select(row => same.AsSpan(row * _k, _k).Contains(false))];
        _same = [.. Enumerable.Range(0, rows).Where(row => keep[row]).SelectMany(row => same.Skip(row * _k).Take(_k))];
        experience.Keep(keep);
        for (int first = 0; first < experience.Rows; first += RowsPerPass)
        {
            int n = Math.Min(RowsPerPass, experience.Rows - first);
            DeviceView<float> hidden = _hidden!.First((long)n * Ollm.Shape.HiddenSize), logits = _logits.First((long)n * _k);
            hidden.Upload(RlExperience.Slice(experience.Hidden, first * Ollm.Shape.HiddenSize, n * Ollm.Shape.HiddenSize));
            _policy.Forward(hidden, logits);
            logits.Download(_hostLogits.AsSpan(0, n * _k));
            for (int i = 0; i < n; i++)
                experience.OldLog[first + i] = OptionGroups.LogProbability(_hostLogits.AsSpan(i * _k, _k), _same.AsSpan((first + i) * _k, _k));
        }
    }

    /// <inheritdoc/>
    protected override double Pass(in RlBatch batch)
    {
        int n = (int)batch.Choices.Length;
        DeviceView<float> logits = _logits.First((long)n * _k), dLogits = _dLogits.First((long)n * _k);
        _policy.Forward(batch.Hidden, logits);
        if (_groups is not null) return PassByToken(batch, n);
        Device.PolicyGradient(
            logits, batch.Choices, batch.Advantage, batch.OldLog, (float)Options.ClipRatio, batch.Entropy, _loss.First(n), _log.First(n), dLogits, _k, batch.Scale);
        _policy.Backward(dLogits);
        _policy.FinishGradients();
        _loss.First(n).Download(_hostLoss.AsSpan(0, n));
        double sum = 0;
        for (int i = 0; i < n; i++) sum += _hostLoss[i];
        return sum;
    }

    /// <summary>K numbers a row: small enough for the host.</summary>
    private double PassByToken(in RlBatch batch, int n)
    {
        DeviceView<float> dLogits = _dLogits.First((long)n * _k);
        _logits.First((long)n * _k).Download(_hostLogits.AsSpan(0, n * _k));
        float[] advantage = batch.Advantage.ToArray(), oldLog = batch.OldLog.ToArray();
        double sum = 0;
        for (int i = 0; i < n; i++)
        {
            sum += OptionGroups.Gradient(
                _hostLogits.AsSpan(i * _k, _k), _same.AsSpan((batch.First + i) * _k, _k), advantage[i], oldLog[i], (float)Options.ClipRatio, batch.Entropy, batch.Scale,
                _hostGradient.AsSpan(i * _k, _k));
        }
        dLogits.Upload(_hostGradient.AsSpan(0, n * _k));
        _policy.Backward(dLogits);
        _policy.FinishGradients();
        return sum;
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        base.Dispose(disposing);
        foreach (IDisposable? item in (IDisposable?[])[_policy, _logits, _dLogits, _loss, _log, _groups, _hidden]) item?.Dispose();
    }

    private static OllmModel WithOptions(OllmModel ollm)
    {
        ArgumentNullException.ThrowIfNull(ollm);
        return ollm.Shape.Options >= 2 ? ollm
            : throw new OllmException("latent RL needs an OLLM with at least 2 options; with K = 1 there is nothing to choose (token-level RL: --method token)");
    }
}
