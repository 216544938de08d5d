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
    private readonly TokenRow[] _stepRows;
    private readonly int[] _stepNumbers;
#pragma warning disable CA1859 // Boxed once here; as the struct that it is it would be boxed in every step.
    private readonly IReadOnlyList<TokenRow> _ownRows; // This process' part of _stepRows.
#pragma warning restore CA1859
    private readonly int _firstOwn;
    private readonly Validation? _validation;
    private readonly TrainOptions _options;
    private readonly HiddenCache? _cache;
    private readonly OllmTensors _gradients, _first, _second;
    private readonly TrainStep _step;
    private readonly StepReducer _reducer;
    private readonly CheckpointScore _score;
    private readonly KlControl _kl;
    private readonly RowOrder _order;
    private readonly LearningRate _rate;
    private readonly long _tokensBefore;
    private int _done;
    private long _tokens;
    private double _seconds;

    /// <summary>Prepares a run; nothing is written yet but the empty file of a hidden-state cache.</summary>
    /// <param name="backbone">The frozen model.</param>
    /// <param name="ollm">The modules to train.</param>
    /// <param name="rows">Rows to learn; those without a target are left out.</param>
    /// <param name="options">Settings.</param>
    /// <param name="validation">Rows to measure the losses on, without learning them.</param>
    /// <param name="group">The processes that share each step; this one alone by default.</param>
    /// <param name="log">Is told what happens to the hidden-state cache.</param>
    /// <exception cref="OllmException">An option is out of range, no row has a target, or the hidden-state cache cannot be made.</exception>
    public Trainer(
        QwenBackbone backbone, OllmModel ollm, IReadOnlyList<TokenRow> rows, TrainOptions options, ITokenRows? validation = null,
        ProcessGroup? group = null, Action<string>? log = null)
    {
        ArgumentNullException.ThrowIfNull(backbone);
        ArgumentNullException.ThrowIfNull(ollm);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        _rows = rows as ITokenRows ?? TokenRowStore.Of(rows);
        if (_rows.Count == 0) throw new OllmException("no row has a token to learn: expected completions after the prompts (see --max-length)");
        (_backbone, _ollm, _options, _tokensBefore) = (backbone, ollm, options, ollm.TrainedTokens);
        Group = group ?? ProcessGroup.Single;
        (_stepRows, _stepNumbers) = (new TokenRow[options.RowsPerStep], new int[options.RowsPerStep]);
        (_firstOwn, int own) = Group.ShareOf(_stepRows.Length);
        _ownRows = Group.IsDistributed ? new ArraySegment<TokenRow>(_stepRows, _firstOwn, own) : _stepRows;
        RunKey = RunAgreement.Of(backbone, ollm.Shape, _rows, options);
        _kl = new KlControl(options.KlAdapt, options.KlTarget, options.Beta);
        _cache = OpenCache(log);
        (_gradients, _first, _second) = (new(backbone.Device, ollm.Shape), new(backbone.Device, ollm.Shape), new(backbone.Device, ollm.Shape));
        _reducer = new StepReducer(Group, _gradients);
        int longest = Math.Max(_rows.Longest, validation?.Longest ?? 0);
        _step = new TrainStep(backbone, ollm.Parameters, _gradients, options.Latent, longest, _cache, options.RoundsHidden);
        _validation = validation is { Count: > 0 } ? new Validation(_step, validation, Counter.Key(options.Seed, 3), Group) : null;
        _score = new CheckpointScore(_validation is not null);
        _order = new RowOrder(_rows.Count, options.Shuffle ? Counter.Key(options.Seed, 1) : null);
        TotalSteps = options.TotalSteps(_rows.Count);
        _rate = new LearningRate(options.LearningRate, options.Warmup, TotalSteps, options.Schedule);
    }

    /// <summary>The processes that share each step.</summary>
    public ProcessGroup Group { get; }

    /// <summary>What must agree between a run and its continuation, and between the processes of a group.</summary>
    public string RunKey { get; }

    /// <summary>Steps of the whole run.</summary>
    public int TotalSteps { get; }

    /// <summary>Steps done so far.</summary>
    public int StepsDone => _done;

    /// <summary>Steps that this process has made, those before a resumption not counted.</summary>
    public int StepsMade { get; private set; }

    /// <summary>Bytes of gradients that a step adds up over the processes.</summary>
    public long ReducedBytes => sizeof(float) * _gradients.All.Length;

    /// <summary>Seconds that steps took, and the part of them that went into adding up gradients over the processes.</summary>
    public (double All, double Reducing) StepSeconds => (_seconds, _reducer.Seconds);

    /// <summary>Continues from the newest whole checkpoint of the folder. Returns false when it has none.</summary>
    /// <exception cref="OllmException">All checkpoints are damaged, or belong to another run.</exception>
    public bool TryResume(string folder, Action<string>? warn = null)
    {
        TrainingCheckpoint? checkpoint = TrainingCheckpoint.Newest(folder, warn);
        if (checkpoint is not null) Resume(checkpoint, folder, warn);
        return checkpoint is not null;
    }

    /// <summary>Continues from a checkpoint: takes its tensors and cuts metrics.jsonl back to its step.</summary>
    /// <param name="checkpoint">The checkpoint.</param>
    /// <param name="folder">The output folder.</param>
    /// <param name="warn">Takes a line when metrics.jsonl lacks lines.</param>
    /// <exception cref="OllmException">The checkpoint belongs to another run, or metrics.jsonl cannot be written.</exception>
    public void Resume(TrainingCheckpoint checkpoint, string folder, Action<string>? warn = null)
    {
        ArgumentNullException.ThrowIfNull(checkpoint);
        checkpoint.Restore(_ollm.Parameters, _first, _second, RunKey);
        (_done, _tokens, _kl.Beta) = (checkpoint.State.Step, checkpoint.State.Tokens, checkpoint.State.Beta);
        if (!Group.IsFirst) return;
        string metrics = Path.Combine(folder, MetricsFile);
        long length = JsonLines.CutTo(metrics, checkpoint.State.MetricsLength);
        if (length < checkpoint.State.MetricsLength)
            warn?.Invoke($"warning: {metrics} has {length} bytes, the checkpoint knows {checkpoint.State.MetricsLength}: lines of earlier steps are missing");
    }

    /// <summary>
    /// Trains to the last step. When cancelled, writes a checkpoint and throws <see cref="OperationCanceledException"/>.
    /// </summary>
    /// <exception cref="OllmException">The loss is not a number; the last checkpoint stays.</exception>
    public void Run(string folder, Action<TrainMetrics>? onStep = null, CancellationToken cancellation = default)
    {
        using JsonLines? metrics = Group.IsFirst ? OpenMetrics(folder) : null;
        RefillCache(cancellation);
        try
        {
            RunSteps(folder, metrics, onStep, cancellation);
        }
        catch (OperationCanceledException)
        {
            Save(folder, metrics);
            Group.Barrier(); // The process that writes must not be ended by another one's leaving.
            throw;
        }
        Save(folder, metrics);
        if (Group.IsFirst) _ollm.Save(folder);
    }

    private void RunSteps(string folder, JsonLines? metrics, Action<TrainMetrics>? onStep, CancellationToken cancellation)
    {
        while (_done < TotalSteps)
        {
            if (Group.Any(cancellation.IsCancellationRequested)) throw new OperationCanceledException(cancellation);
            // Several processes stop after the same step; one alone may stop within it, and makes it again when it goes on.
            TrainMetrics line = Step(Group.IsDistributed ? default : cancellation);
            if (_validation is not null && (_done == TotalSteps || (_options.ValidationEvery > 0 && _done % _options.ValidationEvery == 0)))
                line = line with { Validation = _validation.Measure(_kl.Beta, cancellation) };
            metrics?.Write(line.Fields());
            _score.Add(line);
            onStep?.Invoke(line);
            if (_options.CheckpointEvery > 0 && _done % _options.CheckpointEvery == 0 && _done < TotalSteps) Save(folder, metrics);
        }
    }

    /// <summary>One optimizer step.</summary>
    /// <param name="cancellation">Stops within the step.</param>
    /// <exception cref="OllmException">The loss or the gradient is not a number; parameters are as before.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; parameters are as before.</exception>
    public TrainMetrics Step(CancellationToken cancellation = default)
    {
        long start = Stopwatch.GetTimestamp();
        int step = _done + 1;
        TakeRows(_done);
        long targets = 0, tokens = 0;
        foreach (TokenRow row in _stepRows) (targets, tokens) = (targets + row.Targets, tokens + row.Tokens.Length);

        ComputeDevice device = _backbone.Device;
        device.Clear(_gradients.All);
        ulong key = Counter.Key(Counter.Key(_options.Seed, 2), (ulong)step);
        LossSums sums = _reducer.Reduce(_step.Accumulate(_ownRows, _firstOwn, _kl.Beta, targets, key, OwnNumbers, cancellation));
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
        _seconds += seconds;
        StepsMade++;
        return new TrainMetrics(step, loss, ce, kl, beta, policy, (double)sums.Hits / targets, norm, rate, _tokens, tokens / seconds);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _step.Dispose();
        _cache?.Dispose();
        _gradients.Dispose();
        _first.Dispose();
        _second.Dispose();
    }

    private const string MetricsFile = "metrics.jsonl";

    private HiddenCache? OpenCache(Action<string>? log)
    {
        if (_options.CacheHidden is not { } folder) return null;
        try
        {
            // Each process caches the rows that fall to it.
            string own = Group.IsDistributed ? Path.Combine(folder, FormattableString.Invariant($"rank-{Group.Rank}-of-{Group.Size}")) : folder;
            return HiddenCache.Open(own, _backbone, _rows, log);
        }
        catch (OllmException e) when (!_options.RequireCache)
        {
            log?.Invoke($"{e.Message}; without it the backbone runs in every epoch");
            return null;
        }
    }

    private ReadOnlySpan<int> OwnNumbers => _stepNumbers.AsSpan(_firstOwn, _ownRows.Count);

    private void TakeRows(int stepsDone)
    {
        for (int i = 0; i < _stepRows.Length; i++)
        {
            _stepNumbers[i] = _order.At((long)stepsDone * _stepRows.Length + i);
            _stepRows[i] = _rows[_stepNumbers[i]];
        }
    }

    /// <summary>
    /// A run that goes on finds the rows of its earlier steps in the cache; where the cache is gone, they are computed in the
    /// same groups as then, so that every later step has the numbers of an uninterrupted run.
    /// </summary>
    private void RefillCache(CancellationToken cancellation)
    {
        for (int done = 0; done < _done && _cache is { IsUsable: true, IsComplete: false } && (long)done * _stepRows.Length < _rows.Count; done++)
        {
            // Ctrl-C here leaves the checkpoint that is there already.
            cancellation.ThrowIfCancellationRequested();
            TakeRows(done);
            _step.Fill(_ownRows, OwnNumbers, cancellation);
        }
    }

    private JsonLines OpenMetrics(string folder)
    {
        string path = Path.Combine(folder, MetricsFile);
        if (_done == 0) JsonLines.CutTo(path, 0);
        return new JsonLines(path);
    }

    private void Save(string folder, JsonLines? metrics)
    {
        Group.RequireClose("the squared norm of the parameters", _backbone.Device.SquaredNorm(_ollm.Parameters.All));
        double? score = _score.Take();
        if (metrics is null) return;
        (_ollm.LatentMode, _ollm.TrainedTokens) = (_options.Latent, _tokensBefore + _tokens);
        // The checkpoint says how long metrics.jsonl is, so those lines must be on the disk before it.
        var state = new TrainingState(_done, _tokens, _kl.Beta, metrics.Flush(), RunKey);
        TrainingCheckpoint.Write(folder, _ollm, _first, _second, state, _options.KeepCheckpoints, score);
    }
}
