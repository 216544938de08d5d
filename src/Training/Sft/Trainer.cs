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
    private readonly DeviceBuffer<double> _state;
    private readonly ReadBack<double> _reports;
    private readonly Queue<Launched> _launched = new(MostAhead);
    private readonly CheckpointScore _score;
    private readonly KlControl _kl;
    private readonly RowOrder _order;
    private readonly LearningRate _rate;
    private readonly long _tokensBefore;
    private int _done;
    private long _tokens;
    private double _seconds;
    private long _lastEnd;

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
        (_state, _reports) = (backbone.Device.Allocate<double>(StepState.Length), backbone.Device.NewReadBack<double>(StepState.Length, MostAhead));
        LossSums.Begin(_state.View, _kl.Beta);
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
        LossSums.Begin(_state.View, _kl.Beta);
        if (Group.IsFirst) JsonLines.CutToCheckpoint(Path.Combine(folder, MetricsFile), checkpoint.State.MetricsLength, warn);
    }

    /// <summary>
    /// Trains to the last step. When cancelled, writes a checkpoint and throws <see cref="OperationCanceledException"/>.
    /// </summary>
    /// <exception cref="OllmException">The loss is not a number; the last checkpoint stays.</exception>
    public void Run(string folder, Action<TrainMetrics>? onStep = null, CancellationToken cancellation = default)
    {
        using JsonLines? metrics = Group.IsFirst ? JsonLines.OfRun(Path.Combine(folder, MetricsFile), _done) : null;
        RefillCache(cancellation);
        try
        {
            RunSteps(folder, metrics, onStep, cancellation);
        }
        catch (OperationCanceledException)
        {
            while (_launched.Count > 0) Report(folder, metrics, onStep, cancellation);
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
            if (Asked < TotalSteps) Launch(Group.IsDistributed ? default : cancellation);
            // On a device that runs ahead the report on a step is read while the next one runs, but where the run has to stand still.
            int ahead = !_backbone.Device.RunsAhead || Group.IsDistributed || Asked == TotalSteps || StopsAfter(Asked) ? 0 : 1;
            while (_launched.Count > ahead) Report(folder, metrics, onStep, cancellation);
        }
    }

    /// <summary>Reads the report on a step and does what is due after it.</summary>
    private void Report(string folder, JsonLines? metrics, Action<TrainMetrics>? onStep, CancellationToken cancellation)
    {
        TrainMetrics line = Finish();
        if (_validation is not null && (_done == TotalSteps || IsDue(_options.ValidationEvery, _done)))
            line = line with { Validation = _validation.Measure(_kl.Beta, cancellation) };
        metrics?.Write(line.Fields());
        _score.Add(line);
        onStep?.Invoke(line);
        if (IsDue(_options.CheckpointEvery, _done) && _done < TotalSteps) Save(folder, metrics);
    }

    /// <summary>One optimizer step, waited for.</summary>
    /// <param name="cancellation">Stops within the step.</param>
    /// <exception cref="OllmException">The loss or the gradient is not a number; parameters are as before.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; parameters are as before.</exception>
    public TrainMetrics Step(CancellationToken cancellation = default)
    {
        Launch(cancellation);
        _step.FinishWriting();
        return Finish();
    }

    /// <summary>
    /// Asks for one optimizer step and, on a device that runs ahead, reports on the one before, as <see cref="Run"/> does; null for the first,
    /// whose report the next call gives.
    /// </summary>
    /// <exception cref="OllmException">The loss or the gradient is not a number; parameters stay as they were.</exception>
    public TrainMetrics? Advance()
    {
        Launch(default);
        return _launched.Count > (_backbone.Device.RunsAhead ? 1 : 0) ? Finish() : null;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _step.Dispose();
        _reports.Dispose();
        _state.Dispose();
        _cache?.Dispose();
        _gradients.Dispose();
        _first.Dispose();
        _second.Dispose();
    }

    private const string MetricsFile = "metrics.jsonl";

    /// <summary>Steps that the device has been asked for and that were not reported on.</summary>
    private const int MostAhead = 2;

    private static readonly double[] NoSums = new double[StepState.Totals];

    /// <summary>A step that was asked for.</summary>
    private readonly record struct Launched(int Step, long Targets, long Tokens, double Rate, long Start);

    /// <summary>Steps asked for so far.</summary>
    private int Asked => _done + _launched.Count;

    /// <summary>
    /// Asks for the next optimizer step. Nothing in here waits for the device: losses, norm, clipping factor and beta stay on it, and what
    /// it has to say of the step is copied behind.
    /// </summary>
    private void Launch(CancellationToken cancellation)
    {
        long start = Stopwatch.GetTimestamp();
        int step = Asked + 1;
        TakeRows(step - 1);
        long targets = 0, tokens = 0;
        foreach (TokenRow row in _stepRows) (targets, tokens) = (targets + row.Targets, tokens + row.Tokens.Length);

        ComputeDevice device = _backbone.Device;
        _reports.Settle();
        device.Clear(_gradients.All);
        _state.View.Slice(0, StepState.Totals).Upload(NoSums);
        ulong key = Counter.Key(Counter.Key(_options.Seed, 2), (ulong)step);
        _step.Add(_ownRows, _firstOwn, targets, key, OwnNumbers, _state.View, cancellation);
        _reducer.Reduce(_state.View);
        device.SquaredNorm(_gradients.All, _state.View.Slice(StepState.SquaredNormAt, 1));
        device.EndStep(_state.View, new StepRule(targets, _options.Clip, _kl.Target, (int)_kl.Rule));
        _reports.Start(_state.View);
        double rate = _rate.At(step);
        device.AdamW(_ollm.Parameters.All, _gradients.All, _first.All, _second.All,
            new AdamWStep(step, (float)rate, 0.9f, 0.999f, 1e-8f, (float)_options.WeightDecay, 1), _state.View);
        _launched.Enqueue(new Launched(step, targets, tokens, rate, start));
        if (!device.RunsAhead || step >= TotalSteps) return;
        TakeRows(step);
        _step.SendAhead(_ownRows, OwnNumbers);
    }

    /// <summary>Reads the report on the oldest step that was asked for.</summary>
    private TrainMetrics Finish()
    {
        Launched step = _launched.Dequeue();
        StepReport report = StepState.Of(_reports.Read());
        double loss = report.Ce + report.Beta * report.Kl + report.Policy, norm = Math.Sqrt(report.SquaredNorm);
        if (report.Failed)
        {
            throw new OllmException(
                $"step {step.Step}: the loss is {loss} and the gradient norm {norm}; training stops, and the last checkpoint stays. A lower --lr or --clip may help");
        }
        (_kl.Beta, _done, _tokens) = (report.NextBeta, step.Step, _tokens + step.Targets);
        // Steps overlap when the device runs ahead: each counts from the end of the one before.
        double seconds = Stopwatch.GetElapsedTime(Math.Max(step.Start, _lastEnd)).TotalSeconds;
        _lastEnd = Stopwatch.GetTimestamp();
        _seconds += seconds;
        StepsMade++;
        return new TrainMetrics(
            step.Step, loss, report.Ce, report.Kl, report.Beta, report.Policy, report.Hits, norm, step.Rate, _tokens, step.Tokens / seconds);
    }

    /// <summary>Whether something has to see the parameters as they are after this step.</summary>
    private bool StopsAfter(int step) => IsDue(_options.CheckpointEvery, step) || (_validation is not null && IsDue(_options.ValidationEvery, step));

    private static bool IsDue(int every, int step) => every > 0 && step % every == 0;

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

    private void Save(string folder, JsonLines? metrics)
    {
        _step.FinishWriting();
        Group.RequireClose("the squared norm of the parameters", _backbone.Device.SquaredNorm(_ollm.Parameters.All));
        double? score = _score.Take();
        if (metrics is null) return;
        (_ollm.LatentMode, _ollm.TrainedTokens) = (_options.Latent, _tokensBefore + _tokens);
        // The checkpoint says how long metrics.jsonl is, so those lines must be on the disk before it.
        var state = new TrainingState(_done, _tokens, _kl.Beta, metrics.Flush(), RunKey);
        TrainingCheckpoint.Write(folder, _ollm, _first, _second, state, _options.KeepCheckpoints, score);
    }
}
