using System.Diagnostics;
using OllmNative.Model;

namespace OllmNative.Training;

/// <summary>
/// Reinforcement learning in the space of options: only <c>policy.*</c> trains. For each problem G rollouts draw the option
/// of every token from the policy, tokens are the argmax; a rollout with the right final answer has reward 1. Advantages
/// are relative to the group, (r - mean) / (std + 1e-4), and groups with equal rewards are skipped. The backbone, encoder
/// and decoder stay as they are, so an output never leaves the language that the options span.
/// </summary>
public sealed class LatentRl : IDisposable
{
    private const int RowsPerPass = 2048;

    private readonly OllmModel _ollm;
    private readonly ComputeDevice _device;
    private readonly Tokenizer _tokenizer;
    private readonly IReadOnlyList<AnswerProblem> _problems;
    private readonly IReadOnlyList<int> _stopTokens;
    private readonly LatentRlOptions _options;
    private readonly Generator _generator;
    private readonly OllmTensors _gradients, _first, _second;
    private readonly Policy _policy;
    private readonly RowOrder _order;
    private readonly DeviceBuffer<float> _hidden, _logits, _dLogits, _advantage, _oldLog, _loss, _log;
    private readonly DeviceBuffer<int> _choices;
    private readonly int _d, _k;
    private int _done, _updates;

    /// <summary>Prepares a run.</summary>
    /// <exception cref="OllmException">An option is out of range, there is no problem or nothing to choose, or the context is too short.</exception>
    public LatentRl(QwenBackbone backbone, OllmModel ollm, Tokenizer tokenizer, IReadOnlyList<AnswerProblem> problems, IReadOnlyList<int> stopTokens, LatentRlOptions options)
    {
        ArgumentNullException.ThrowIfNull(backbone);
        ArgumentNullException.ThrowIfNull(ollm);
        ArgumentNullException.ThrowIfNull(problems);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        if (problems.Count == 0) throw new OllmException("latent RL needs at least one problem with an expected answer");
        if (ollm.Shape.Options < 2) throw new OllmException("latent RL needs an OLLM with at least 2 options; with K = 1 there is nothing to choose");
        (_ollm, _device, _tokenizer, _problems, _stopTokens, _options) = (ollm, backbone.Device, tokenizer, problems, stopTokens, options);
        (_d, _k) = (ollm.Shape.HiddenSize, ollm.Shape.Options);
        int capacity = problems.Max(p => p.Prompt.Length) + options.MaxTokens;
        if (capacity > backbone.Config.MaxPositions)
            throw new OllmException($"--max-tokens {options.MaxTokens}: with the longest prompt that is {capacity} tokens, but the model's context is {backbone.Config.MaxPositions}");
        _generator = new Generator(backbone, ollm, Math.Min(options.Problems * options.Rollouts, Generator.SlotsFor(backbone, capacity)), capacity, tokenizer.VocabularySize);
        (_gradients, _first, _second) = (new(_device, ollm.Shape), new(_device, ollm.Shape), new(_device, ollm.Shape));
        _policy = new Policy(_device, ollm.Parameters, _gradients, RowsPerPass);
        _order = new RowOrder(problems.Count, Counter.Key(options.Seed, 1));
        DeviceBuffer<float> Floats(int columns) => _device.Allocate<float>((long)RowsPerPass * columns);
        (_hidden, _logits, _dLogits, _advantage, _oldLog, _loss, _log) = (Floats(_d), Floats(_k), Floats(_k), Floats(1), Floats(1), Floats(1), Floats(1));
        _choices = _device.Allocate<int>(RowsPerPass);
    }

    /// <summary>Runs the remaining steps.</summary>
    /// <exception cref="OperationCanceledException">Cancelled between two steps; the policy is as after the last one.</exception>
    public void Run(Action<RlMetrics>? onStep = null, CancellationToken cancellation = default)
    {
        while (_done < _options.Steps)
        {
            cancellation.ThrowIfCancellationRequested();
            RlMetrics metrics = Step(cancellation);
            onStep?.Invoke(metrics);
        }
    }

    /// <summary>One batch of rollouts and its updates.</summary>
    public RlMetrics Step(CancellationToken cancellation = default)
    {
        long start = Stopwatch.GetTimestamp();
        int step = _done + 1, g = _options.Rollouts;
        GenerationRequest[] rollouts = Rollouts(step, out AnswerProblem[] problems);
        _generator.Run(rollouts, cancellation);

        var rewards = new double[rollouts.Length];
        int malformed = 0;
        for (int i = 0; i < rollouts.Length; i++)
        {
            rewards[i] = problems[i / g].IsRight(_tokenizer.Decode(rollouts[i].Completion), out string? answer) ? 1 : 0;
            malformed += answer is null ? 1 : 0;
        }
        Experience experience = Collect(rollouts, rewards, out int active);
        double progress = (step - 1.0) / Math.Max(1, _options.Steps - 1);
        double rate = _options.FinalLearningRate + (_options.LearningRate - _options.FinalLearningRate) * 0.5 * (1 + Math.Cos(Math.PI * progress));
        double loss = 0, norm = 0;
        for (int epoch = 0; epoch < _options.Epochs && experience.Rows > 0; epoch++)
        {
            double epochLoss = Update(experience, rate, _options.Entropy * (1 - progress), out norm);
            if (epoch == 0) loss = epochLoss;
        }
        _done = step;
        long tokens = rollouts.Sum(r => (long)r.Generated.Count);
        return new RlMetrics(
            step, rewards.Average(), (double)active / problems.Length, (double)malformed / rollouts.Length,
            -rollouts.Sum(r => r.LogProbabilities.Sum(p => (double)p)) / tokens, loss, norm, rate, (long)step * rollouts.Length,
            tokens / Stopwatch.GetElapsedTime(start).TotalSeconds);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        IDisposable[] owned = [_generator, _gradients, _first, _second, _policy, _hidden, _logits, _dLogits, _advantage, _oldLog, _loss, _log, _choices];
        foreach (IDisposable item in owned) item.Dispose();
    }

    /// <summary>What the rollouts of the informative groups say: one row for each generated token.</summary>
    private sealed class Experience
    {
        public List<float> Hidden { get; } = [];
        public List<int> Options { get; } = [];
        public List<float> Advantage { get; } = [];
        public List<float> OldLog { get; } = [];
        public int Rows => Options.Count;
    }

    private GenerationRequest[] Rollouts(int step, out AnswerProblem[] problems)
    {
        var chosen = new AnswerProblem[_options.Problems];
        var requests = new GenerationRequest[chosen.Length * _options.Rollouts];
        for (int i = 0; i < requests.Length; i++)
        {
            int p = i / _options.Rollouts;
            chosen[p] = _problems[_order.At((long)_done * chosen.Length + p)];
            requests[i] = new GenerationRequest
            {
                Prompt = chosen[p].Prompt,
                MaxTokens = _options.MaxTokens,
                StopTokens = _stopTokens,
                Latent = LatentChoice.Sample,
                Record = true,
                Seed = Counter.Key(Counter.Key(Counter.Key(_options.Seed, 2), (ulong)step), (ulong)i),
            };
        }
        problems = chosen;
        return requests;
    }

    private Experience Collect(GenerationRequest[] rollouts, double[] rewards, out int active)
    {
        var experience = new Experience();
        int g = _options.Rollouts;
        active = 0;
        for (int first = 0; first < rollouts.Length; first += g)
        {
            ReadOnlySpan<double> group = rewards.AsSpan(first, g);
            double mean = 0, variance = 0;
            foreach (double r in group) mean += r / g;
            foreach (double r in group) variance += (r - mean) * (r - mean) / g;
            if (variance == 0) continue;
            active++;
            for (int i = 0; i < g; i++)
            {
                GenerationRequest rollout = rollouts[first + i];
                float advantage = (float)((group[i] - mean) / (Math.Sqrt(variance) + 1e-4));
                experience.Hidden.AddRange(rollout.Hidden);
                experience.Options.AddRange(rollout.Options);
                experience.OldLog.AddRange(rollout.LogProbabilities);
                for (int t = 0; t < rollout.Options.Count; t++) experience.Advantage.Add(advantage);
            }
        }
        return experience;
    }

    /// <summary>One pass over the experience and one optimizer step; returns the mean loss.</summary>
    private double Update(Experience experience, double rate, double entropy, out double norm)
    {
        DeviceView<float> gradients = _gradients.Module("policy");
        _device.Clear(gradients);
        double loss = 0;
        for (int first = 0; first < experience.Rows; first += RowsPerPass)
        {
            int n = Math.Min(RowsPerPass, experience.Rows - first);
            DeviceView<float> hidden = _hidden.First((long)n * _d), logits = _logits.First((long)n * _k), dLogits = _dLogits.First((long)n * _k);
            hidden.Upload(Slice(experience.Hidden, first * _d, n * _d));
            _choices.First(n).Upload(Slice(experience.Options, first, n));
            _advantage.First(n).Upload(Slice(experience.Advantage, first, n));
            _oldLog.First(n).Upload(Slice(experience.OldLog, first, n));
            _policy.Forward(hidden, logits);
            _device.PolicyGradient(
                logits, _choices.First(n), _advantage.First(n), _oldLog.First(n), (float)_options.ClipRatio, (float)entropy,
                _loss.First(n), _log.First(n), dLogits, _k, 1f / experience.Rows);
            _policy.Backward(hidden, dLogits);
            foreach (float value in _loss.First(n).ToArray()) loss += value;
        }
        norm = Math.Sqrt(_device.SquaredNorm(gradients));
        if (!double.IsFinite(norm)) throw new OllmException($"step {_done + 1}: the gradient norm is {norm}; latent RL stops and the policy is as before this step");
        double scale = _options.Clip > 0 ? Math.Min(1, _options.Clip / (norm + 1e-6)) : 1;
        _device.AdamW(_ollm.Parameters.Module("policy"), gradients, _first.Module("policy"), _second.Module("policy"),
            new AdamWStep(++_updates, (float)rate, 0.9f, 0.999f, 1e-8f, 0, (float)scale));
        return loss / experience.Rows;
    }

    private static Span<T> Slice<T>(List<T> list, int start, int count) =>
        System.Runtime.InteropServices.CollectionsMarshal.AsSpan(list).Slice(start, count);
}
