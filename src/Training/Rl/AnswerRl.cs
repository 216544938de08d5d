using System.Diagnostics;
using OllmNative.Model;

namespace OllmNative.Training;

/// <summary>
/// Reinforcement learning of one module of an OLLM from the rewards of whole answers: G rollouts for each problem, reward 1
/// for a right final answer, advantage (r - mean) / (std + 1e-4) within the group (groups with equal rewards are skipped),
/// then some passes of the clipped surrogate over the choices that the rollouts made. What a choice is, an option or a
/// token, is up to the derived class.
/// </summary>
public abstract class AnswerRl : IDisposable
{
    private readonly Tokenizer _tokenizer;
    private readonly IReadOnlyList<AnswerProblem> _problems;
    private readonly Generator _generator;
    private readonly OllmTensors _gradients, _first, _second;
    private readonly DeviceView<float> _moduleGradients;
    private readonly RowOrder _order;
    private readonly DeviceBuffer<float> _hidden, _advantage, _oldLog;
    private readonly DeviceBuffer<int> _choices;
    private readonly string _module;
    private readonly int _d, _rowsPerPass;
    private readonly RlExperience _experience;
    private readonly double[] _rewards;
    private GenerationRequest[] _rollouts = [];
    private AnswerProblem[] _chosen = [];
    private float[] _hostGradients = [];
    private int _done, _updates;
    private long _tokens;

    /// <summary>Prepares a run.</summary>
    /// <param name="backbone">The frozen model.</param>
    /// <param name="ollm">Its OLLM, one module of which learns.</param>
    /// <param name="tokenizer">Turns rollouts into text.</param>
    /// <param name="problems">What to learn from.</param>
    /// <param name="stopTokens">Tokens that end a rollout.</param>
    /// <param name="options">Settings.</param>
    /// <param name="module">The module that learns: <c>policy</c> or <c>decoder</c>.</param>
    /// <param name="rowsPerPass">Most choices that <see cref="Pass"/> gets at a time.</param>
    /// <exception cref="OllmException">An option is out of range, there is no problem, or the context is too short.</exception>
    protected AnswerRl(
        QwenBackbone backbone, OllmModel ollm, Tokenizer tokenizer, IReadOnlyList<AnswerProblem> problems, IReadOnlyList<int> stopTokens,
        LatentRlOptions options, string module, int rowsPerPass)
    {
        ArgumentNullException.ThrowIfNull(backbone);
        ArgumentNullException.ThrowIfNull(ollm);
        ArgumentNullException.ThrowIfNull(tokenizer);
        ArgumentNullException.ThrowIfNull(problems);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        if (problems.Count == 0) throw new OllmException("latent RL needs at least one problem with an expected answer");
        (Ollm, Device, _tokenizer, _problems, StopTokens, Options, _module) = (ollm, backbone.Device, tokenizer, problems, stopTokens, options, module);
        (_d, _rowsPerPass) = (ollm.Shape.HiddenSize, rowsPerPass);
        int capacity = problems.Max(p => p.Prompt.Length) + options.MaxTokens;
        if (capacity > backbone.Config.MaxPositions)
            throw new OllmException($"--max-tokens {options.MaxTokens}: with the longest prompt that is {capacity} tokens, but the model's context is {backbone.Config.MaxPositions}");
        _generator = new Generator(backbone, ollm, Math.Min(options.Problems * options.Rollouts, Generator.SlotsFor(backbone, capacity)), capacity, tokenizer.VocabularySize);
        (_gradients, _first, _second) = (new(Device, ollm.Shape), new(Device, ollm.Shape), new(Device, ollm.Shape));
        _moduleGradients = _gradients.Module(module);
        (_experience, _rewards) = (new RlExperience(_d), new double[options.Problems * options.Rollouts]);
        _order = new RowOrder(problems.Count, Counter.Key(options.Seed, 1));
        _hidden = Device.Allocate<float>((long)rowsPerPass * _d);
        (_advantage, _oldLog, _choices) = (Device.Allocate<float>(rowsPerPass), Device.Allocate<float>(rowsPerPass), Device.Allocate<int>(rowsPerPass));
        RunKey = RlRunKey.Of(backbone, ollm, problems, options, module);
    }

    /// <summary>Settings of the run.</summary>
    public LatentRlOptions Options { get; }

    /// <summary>The processes that share the problems of each update; every one makes the same update.</summary>
    public ProcessGroup Group { get; init; } = ProcessGroup.Single;

    /// <summary>The OLLM that learns.</summary>
    public OllmModel Ollm { get; }

    /// <summary>Updates done so far.</summary>
    public int StepsDone => _done;

    /// <summary>Numbers that this run trains.</summary>
    public long TrainedParameters => _moduleGradients.Length;

    /// <summary>What must agree between a run and its continuation, with the OLLM as it was at the start.</summary>
    public string RunKey { get; }

    /// <summary>
    /// Whether an output counts as malformed, given its problem, its text and the answer found in it; by default an output
    /// without a recognisable answer does.
    /// </summary>
    public Func<AnswerProblem, string, string?, bool> IsMalformed { get; init; } = (_, _, answer) => answer is null;

    /// <summary>Where everything is computed.</summary>
    protected ComputeDevice Device { get; }

    /// <summary>Tokens that end a rollout.</summary>
    protected IReadOnlyList<int> StopTokens { get; }

    /// <summary>Gradients of all modules; only those of the trained one are used.</summary>
    protected OllmTensors Gradients => _gradients;

    /// <summary>Runs the remaining steps.</summary>
    /// <exception cref="OperationCanceledException">Cancelled; the OLLM is as after the last whole step.</exception>
    public void Run(Action<RlMetrics>? onStep = null, CancellationToken cancellation = default)
    {
        while (_done < Options.Steps)
        {
            cancellation.ThrowIfCancellationRequested();
            RlMetrics metrics = Step(cancellation);
            onStep?.Invoke(metrics);
        }
    }

    /// <summary>One batch of rollouts and its updates.</summary>
    /// <exception cref="OllmException">The gradient is not a number.</exception>
    public RlMetrics Step(CancellationToken cancellation = default)
    {
        long start = Stopwatch.GetTimestamp();
        int step = _done + 1, g = Options.Rollouts;
        GenerationRequest[] rollouts = Rollouts(step);
        _generator.Run(rollouts, cancellation);

        Span<double> rewards = _rewards.AsSpan(0, rollouts.Length);
        double malformed = 0, right = 0;
        long generated = 0;
        for (int i = 0; i < rollouts.Length; i++)
        {
            AnswerProblem problem = _chosen[i / g];
            string text = _tokenizer.Decode(rollouts[i].Completion);
            rewards[i] = problem.IsRight(text, out string? answer) ? 1 : 0;
            malformed += IsMalformed(problem, text, answer) ? 1 : 0;
            right += rewards[i];
            generated += rollouts[i].Generated.Count;
        }
        RlExperience experience = Collect(rollouts, rewards, out int active, out double entropy, out long choices);
        Span<double> sums = [right, active, malformed, entropy, choices, generated, experience.Total];
        Group.Sum(sums);
        experience.Total = (long)sums[6];
        double progress = (step - 1.0) / Math.Max(1, Options.Steps - 1);
        double rate = Options.FinalLearningRate + (Options.LearningRate - Options.FinalLearningRate) * 0.5 * (1 + Math.Cos(Math.PI * progress));
        double loss = 0, norm = 0;
        for (int epoch = 0; epoch < Options.Epochs && experience.Total > 0; epoch++)
        {
            double epochLoss = Update(experience, rate, Options.Entropy * (1 - progress), out norm);
            if (epoch == 0) loss = epochLoss;
        }
        _done = step;
        long tokens = (long)sums[5];
        double all = (double)Options.Problems * g;
        _tokens += tokens;
        return new RlMetrics(
            step, sums[0] / all, sums[1] / Options.Problems, sums[2] / all, sums[3] / Math.Max(1, sums[4]), loss, norm, rate,
            (long)step * Options.Problems * g, tokens / Stopwatch.GetElapsedTime(start).TotalSeconds);
    }

    /// <summary>Writes a checkpoint of the run into its folder, where metrics.jsonl has this many bytes.</summary>
    public void Save(string folder, long metricsLength) => TrainingCheckpoint.Write(
        folder, Ollm, _first, _second, new TrainingState(_done, _tokens, 0, metricsLength, RunKey, _updates), Options.KeepCheckpoints);

    /// <summary>Goes on from a checkpoint.</summary>
    /// <exception cref="OllmException">It belongs to a run with other settings; the message names every difference.</exception>
    public void Restore(TrainingCheckpoint checkpoint)
    {
        ArgumentNullException.ThrowIfNull(checkpoint);
        checkpoint.Restore(Ollm.Parameters, _first, _second, RunKey);
        (_done, _tokens, _updates) = (checkpoint.State.Step, checkpoint.State.Tokens, checkpoint.State.Updates ?? checkpoint.State.Step);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>One rollout, in the memory of a finished one where there is one; hidden states have to be recorded.</summary>
    protected abstract GenerationRequest Rollout(AnswerProblem problem, ulong seed, GenerationRequest? finished);

    /// <summary>What a rollout chose at each token, and how likely it held that: log pi.</summary>
    protected abstract (IReadOnlyList<int> Choices, IReadOnlyList<float> LogProbabilities) ChoicesOf(GenerationRequest rollout);

    /// <summary>Called once with the experience of an update, before the first pass; may change the rows' old log-probabilities or drop rows.</summary>
    protected virtual void Prepare(RlExperience experience)
    {
    }

    /// <summary>Adds the gradient of the mean surrogate over these choices to <see cref="Gradients"/>; returns the sum of the losses.</summary>
    protected abstract double Pass(in RlBatch batch);

    /// <summary>Gives memory back.</summary>
    protected virtual void Dispose(bool disposing)
    {
        IDisposable[] owned = [_generator, _gradients, _first, _second, _hidden, _advantage, _oldLog, _choices];
        foreach (IDisposable item in owned) item.Dispose();
    }

    /// <summary>Choices that go through <see cref="Pass"/> together.</summary>
    /// <param name="First">Place of the first choice among those of the update.</param>
    /// <param name="Hidden">h at each choice, [N, D].</param>
    /// <param name="Choices">What was chosen, [N].</param>
    /// <param name="Advantage">Advantage of the rollout, [N].</param>
    /// <param name="OldLog">log pi when it was chosen, [N].</param>
    /// <param name="Entropy">Weight of the entropy bonus.</param>
    /// <param name="Scale">1 / (choices of the whole update).</param>
    protected readonly record struct RlBatch(
        int First, DeviceView<float> Hidden, DeviceView<int> Choices, DeviceView<float> Advantage, DeviceView<float> OldLog, float Entropy, float Scale);

    /// <summary>
    /// The rollouts of this process' share of the problems, in the memory of the last step's; each has its seed from its place among all of the update.
    /// </summary>
    private GenerationRequest[] Rollouts(int step)
    {
        (int firstProblem, int count) = Group.ShareOf(Options.Problems);
        if (_chosen.Length != count) (_chosen, _rollouts) = (new AnswerProblem[count], new GenerationRequest[count * Options.Rollouts]);
        for (int i = 0; i < _rollouts.Length; i++)
        {
            int p = i / Options.Rollouts;
            _chosen[p] = _problems[_order.At((long)_done * Options.Problems + firstProblem + p)];
            ulong seed = Counter.Key(Counter.Key(Counter.Key(Options.Seed, 2), (ulong)step), (ulong)(firstProblem * Options.Rollouts + i));
            _rollouts[i] = Rollout(_chosen[p], seed, _rollouts[i]);
        }
        return _rollouts;
    }

    /// <summary>The choices of all groups that teach; <paramref name="entropy"/> is the sum of -log pi over the choices of all.</summary>
    private RlExperience Collect(GenerationRequest[] rollouts, ReadOnlySpan<double> rewards, out int active, out double entropy, out long count)
    {
        RlExperience experience = _experience;
        experience.Clear();
        int g = Options.Rollouts;
        (active, entropy, count) = (0, 0, 0);
        for (int first = 0; first < rollouts.Length; first += g)
        {
            ReadOnlySpan<double> group = rewards.Slice(first, g);
            double mean = 0, variance = 0;
            foreach (double r in group) mean += r / g;
            foreach (double r in group) variance += (r - mean) * (r - mean) / g;
            if (variance > 0) active++;
            for (int i = 0; i < g; i++)
            {
                GenerationRequest rollout = rollouts[first + i];
                (IReadOnlyList<int> choices, IReadOnlyList<float> logs) = ChoicesOf(rollout);
                for (int t = 0; t < logs.Count; t++) entropy -= logs[t];
                count += logs.Count;
                if (variance == 0) continue;
                float advantage = (float)((group[i] - mean) / (Math.Sqrt(variance) + 1e-4));
                experience.Add(rollout.Hidden, choices, logs, advantage);
            }
        }
        if (experience.Rows > 0) Prepare(experience);
        return experience;
    }

    /// <summary>One pass over the experience and one optimizer step; returns the mean loss.</summary>
    private double Update(RlExperience experience, double rate, double entropy, out double norm)
    {
        Device.Clear(_moduleGradients);
        double loss = 0;
        for (int first = 0; first < experience.Rows; first += _rowsPerPass)
        {
            int n = Math.Min(_rowsPerPass, experience.Rows - first);
            DeviceView<float> hidden = _hidden.First((long)n * _d), advantage = _advantage.First(n), oldLog = _oldLog.First(n);
            DeviceView<int> choices = _choices.First(n);
            hidden.Upload(RlExperience.Slice(experience.Hidden, first * _d, n * _d));
            choices.Upload(RlExperience.Slice(experience.Choices, first, n));
            advantage.Upload(RlExperience.Slice(experience.Advantage, first, n));
            oldLog.Upload(RlExperience.Slice(experience.OldLog, first, n));
            loss += Pass(new RlBatch(first, hidden, choices, advantage, oldLog, (float)entropy, 1f / experience.Total));
        }
        loss = AddUp(loss);
        norm = Math.Sqrt(Device.SquaredNorm(_moduleGradients));
        if (!double.IsFinite(norm)) throw new OllmException($"step {_done + 1}: the gradient norm is {norm}; RL stops, and this update is not made");
        double scale = Options.Clip > 0 ? Math.Min(1, Options.Clip / (norm + 1e-6)) : 1;
        Device.AdamW(Ollm.Parameters.Module(_module), _moduleGradients, _first.Module(_module), _second.Module(_module),
            new AdamWStep(++_updates, (float)rate, 0.9f, 0.999f, 1e-8f, 0, (float)scale));
        return loss / experience.Total;
    }

    /// <summary>Gradients and loss of all processes; each has divided by the choices of all.</summary>
    private double AddUp(double loss)
    {
        if (!Group.IsDistributed) return loss;
        if (_hostGradients.Length == 0) _hostGradients = new float[_moduleGradients.Length];
        _moduleGradients.Download(_hostGradients);
        Group.Sum(_hostGradients);
        _moduleGradients.Upload(_hostGradients);
        Span<double> sum = [loss];
        Group.Sum(sum);
        return sum[0];
    }
}
