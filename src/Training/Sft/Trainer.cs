using System.Diagnostics;
using OllmNative.Model;

namespace OllmNative.Training;

/// <summary>
/// Supervised training of encoder, decoder and policy on a frozen backbone. Writes <c>metrics.jsonl</c>, checkpoints and,
/// at the end, the OLLM folder itself into the output folder.
/// </summary>
public sealed class Trainer : IDisposable
{
    private readonly QwenBackbone _backbone;
    private readonly OllmModel _ollm;
    private readonly ITokenRows _rows;
    private readonly Validation? _validation;
    private readonly TrainOptions _options;
    private readonly OllmTensors _gradients, _first, _second;
    private readonly TrainStep _step;
    private readonly KlControl _kl;
    private readonly RowOrder _order;
    private readonly LearningRate _rate;
    private readonly long _tokensBefore;
    private int _done;
    private long _tokens;

    /// <summary>Prepares a run; nothing is written yet.</summary>
    /// <exception cref="OllmException">An option is out of range, or no row has a target.</exception>
    /// <param name="backbone">The frozen model.</param>
    /// <param name="ollm">What is trained.</param>
    /// <param name="rows">Rows to learn; those without a target are left out.</param>
    /// <param name="options">Hyper-parameters.</param>
    /// <param name="validation">Rows to measure the losses on, without learning them.</param>
    public Trainer(QwenBackbone backbone, OllmModel ollm, IReadOnlyList<TokenRow> rows, TrainOptions options, ITokenRows? validation = null)
    {
        ArgumentNullException.ThrowIfNull(backbone);
        ArgumentNullException.ThrowIfNull(ollm);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        _rows = rows as ITokenRows ?? TokenRowStore.Of(rows);
        if (_rows.Count == 0) throw new OllmException("no row has a token to learn: expected completions after the prompts (see --max-length)");
        (_backbone, _ollm, _options, _tokensBefore) = (backbone, ollm, options, ollm.TrainedTokens);
        (_gradients, _first, _second) = (new(backbone.Device, ollm.Shape), new(backbone.Device, ollm.Shape), new(backbone.Device, ollm.Shape));
        _step = new TrainStep(backbone, ollm.Parameters, _gradients, options.Latent, Math.Max(_rows.Longest, validation?.Longest ?? 0));
        _validation = validation is { Count: > 0 } ? new Validation(_step, validation, Counter.Key(options.Seed, 3)) : null;
        _kl = new KlControl(options.KlAdapt, options.KlTarget, options.Beta);
        _order = new RowOrder(_rows.Count, options.Shuffle ? Counter.Key(options.Seed, 1) : null);
        TotalSteps = options.TotalSteps(_rows.Count);
        _rate = new LearningRate(options.LearningRate, options.Warmup, TotalSteps, options.Schedule);
    }

    /// <summary>Steps of the whole run.</summary>
    public int TotalSteps { get; }

    /// <summary>Steps done so far.</summary>
    public int StepsDone => _done;

    /// <summary>Continues from the newest checkpoint of the folder. Returns false when it has none.</summary>
    /// <exception cref="OllmException">The checkpoint is damaged, or belongs to another run.</exception>
    public bool TryResume(string folder)
    {
        TrainingCheckpoint? checkpoint = TrainingCheckpoint.Newest(folder);
        if (checkpoint is null) return false;
        checkpoint.Restore(_ollm.Parameters, _first, _second, RunKey);
        (_done, _tokens, _kl.Beta) = (checkpoint.State.Step, checkpoint.State.Tokens, checkpoint.State.Beta);
        string metrics = Path.Combine(folder, MetricsFile);
        if (File.Exists(metrics))
        {
            using FileStream stream = File.Open(metrics, FileMode.Open, FileAccess.Write);
            if (stream.Length > checkpoint.State.MetricsLength) stream.SetLength(checkpoint.State.MetricsLength);
        }
        return true;
    }

    /// <summary>
    /// Trains to the last step. When cancelled, writes a checkpoint and throws <see cref="OperationCanceledException"/>.
    /// </summary>
    /// <exception cref="OllmException">The loss is not a number; the last checkpoint stays.</exception>
    public void Run(string folder, Action<TrainMetrics>? onStep = null, CancellationToken cancellation = default)
    {
        Directory.CreateDirectory(folder);
        string metricsPath = Path.Combine(folder, MetricsFile);
        if (_done == 0) File.Delete(metricsPath);
        using var metrics = new JsonLines(metricsPath);
        while (_done < TotalSteps)
        {
            if (cancellation.IsCancellationRequested)
            {
                Save(folder, metricsPath);
                cancellation.ThrowIfCancellationRequested();
            }
            TrainMetrics line = Step();
            if (_validation is not null && (_done == TotalSteps || (_options.ValidationEvery > 0 && _done % _options.ValidationEvery == 0)))
                line = line with { Validation = _validation.Measure(_kl.Beta, cancellation) };
            metrics.Write(line.Fields());
            onStep?.Invoke(line);
            if (_options.CheckpointEvery > 0 && _done % _options.CheckpointEvery == 0 && _done < TotalSteps) Save(folder, metricsPath);
        }
        Save(folder, metricsPath);
        _ollm.Save(folder);
    }

    /// <summary>One optimizer step.</summary>
    /// <exception cref="OllmException">The loss or the gradient is not a number; parameters are as before.</exception>
    public TrainMetrics Step()
    {
        long start = Stopwatch.GetTimestamp();
        int step = _done + 1;
        var rows = new TokenRow[_options.RowsPerStep];
        for (int i = 0; i < rows.Length; i++) rows[i] = _rows[_order.At((long)_done * rows.Length + i)];
        long targets = rows.Sum(r => (long)r.Targets);

        ComputeDevice device = _backbone.Device;
        device.Clear(_gradients.All);
        LossSums sums = _step.Accumulate(rows, 0, _kl.Beta, targets, Counter.Key(Counter.Key(_options.Seed, 2), (ulong)step));
        double ce = sums.Ce / targets, kl = sums.Kl / targets, policy = sums.Policy / targets, beta = _kl.Beta;
        double loss = ce + beta * kl + policy, norm = Math.Sqrt(device.SquaredNorm(_gradients.All)), rate = _rate.At(step);
        if (!double.IsFinite(loss) || !double.IsFinite(norm))
        {
            throw new OllmException(
                $"step {step}: the loss is {loss} and the gradient norm {norm}; training stops, and the last checkpoint stays. A lower --lr or --clip may help");
        }
        // The rule of PyTorch's clip_grad_norm_.
        double scale = _options.Clip > 0 ? Math.Min(1, _options.Clip / (norm + 1e-6)) : 1;
        device.AdamW(_ollm.Parameters.All, _gradients.All, _first.All, _second.All,
            new AdamWStep(step, (float)rate, 0.9f, 0.999f, 1e-8f, (float)_options.WeightDecay, (float)scale));
        _kl.Update(kl);
        _done = step;
        _tokens += targets;
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        return new TrainMetrics(step, loss, ce, kl, beta, policy, (double)sums.Hits / targets, norm, rate, _tokens, rows.Sum(r => r.Tokens.Length) / seconds);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _step.Dispose();
        _gradients.Dispose();
        _first.Dispose();
        _second.Dispose();
    }

    private const string MetricsFile = "metrics.jsonl";

    /// <summary>What must agree between a run and its continuation.</summary>
    private string RunKey => string.Create(
        System.Globalization.CultureInfo.InvariantCulture,
        $"{_ollm.Shape.Options}/{_ollm.Shape.LatentWidth}/{_backbone.Fingerprint}/{_options.Latent}/{_options.RowsPerStep}/{_options.Seed}/{_options.Shuffle}/{_rows.Count}");

    private void Save(string folder, string metricsPath)
    {
        (_ollm.LatentMode, _ollm.TrainedTokens) = (_options.Latent, _tokensBefore + _tokens);
        var state = new TrainingState(_done, _tokens, _kl.Beta, new FileInfo(metricsPath).Length, RunKey);
        TrainingCheckpoint.Write(folder, _ollm, _first, _second, state, _options.KeepCheckpoints);
    }
}
