using System.Globalization;
using OllmNative.Model;

namespace OllmNative.Training;

/// <summary>What a study varies.</summary>
public enum StudyKind
{
    /// <summary>K, the number of options.</summary>
    Options,

    /// <summary>The KL target.</summary>
    Kl,

    /// <summary>The start of beta.</summary>
    Beta,

    /// <summary>RL on options against RL on tokens.</summary>
    Rl,
}

/// <summary>One value of what a study varies, with the results of its seeds so far.</summary>
/// <param name="Label">The value, as a reader sees it.</param>
/// <param name="Results">One for each seed that is done.</param>
public sealed record StudyCase(string Label, IReadOnlyList<StudyResult> Results)
{
    /// <summary>A figure of every seed; NaN where a run has none.</summary>
    public double[] Values(string figure) => [.. Results.Select(result => result.Figures.GetValueOrDefault(figure, double.NaN))];

    /// <summary>Mean of a figure over the seeds that have one.</summary>
    public double Mean(string figure)
    {
        double[] finite = [.. Values(figure).Where(double.IsFinite)];
        return finite.Length == 0 ? double.NaN : finite.Average();
    }
}

/// <summary>A study: its cases in order.</summary>
/// <param name="Kind">What it varies.</param>
/// <param name="Cases">The cases.</param>
public sealed record StudyTable(StudyKind Kind, IReadOnlyList<StudyCase> Cases);

/// <summary>
/// Runs the studies: all cases of the first seed, then of the next. Cases that several studies share, like K = 10 with the
/// default KL target, are one run.
/// </summary>
public sealed class Ablation
{
    private readonly StudyLab _lab;
    private readonly StudyOptions _options;
    private readonly IReadOnlyList<StudyKind> _kinds;
    private readonly Dictionary<(string Case, ulong Seed), StudyResult> _done = [];

    /// <summary>Prepares studies.</summary>
    /// <exception cref="OllmException">An option is out of range.</exception>
    public Ablation(StudyLab lab, StudyOptions options, IReadOnlyList<StudyKind> kinds)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(kinds);
        options.Validate();
        (_lab, _options, _kinds) = (lab, options, kinds);
    }

    /// <summary>Runs in all; those of several studies count once.</summary>
    public int Runs => _options.Seeds.Count * Cases().Select(c => c.Key).Distinct().Count();

    /// <summary>Runs that have a result, those of earlier calls included.</summary>
    public int Done => _done.Count;

    /// <summary>Runs everything that has no result yet.</summary>
    /// <param name="onRun">Called after each run with the tables so far.</param>
    /// <param name="cancellation">Stops; what is done is kept, and the run that was going on has a checkpoint.</param>
    /// <exception cref="OllmException">A result of an earlier call was made with other settings.</exception>
    public IReadOnlyList<StudyTable> Run(Action<IReadOnlyList<StudyTable>>? onRun = null, CancellationToken cancellation = default)
    {
        Case[] cases = [.. Cases().DistinctBy(c => c.Key)];
        // Before anything is run: a result that does not fit should not be found after an hour.
        foreach (ulong seed in _options.Seeds)
        {
            foreach (Case one in cases)
                if (one.Find(seed) is { } before) _done[(one.Key, seed)] = before;
        }
        foreach (ulong seed in _options.Seeds)
        {
            foreach (Case one in cases.Where(one => !_done.ContainsKey((one.Key, seed))))
            {
                cancellation.ThrowIfCancellationRequested();
                _done[(one.Key, seed)] = one.Run(seed, cancellation);
                onRun?.Invoke(Tables());
            }
        }
        return Tables();
    }

    private sealed record Case(StudyKind Kind, string Label, string Key, Func<ulong, StudyResult?> Find, Func<ulong, CancellationToken, StudyResult> Run);

    private IEnumerable<Case> Cases() => _kinds.SelectMany(kind => kind switch
    {
        StudyKind.Options => _options.Options.Select(k => Train(kind, $"K = {k}", new TrainSetup(k))),
        StudyKind.Kl => _options.KlTargets.Select(target => Train(kind, Text($"KL target {target}"), new TrainSetup(10, KlTarget: target))),
        StudyKind.Beta => _options.Betas.Select(beta => Train(kind, Text($"beta from {beta}"), new TrainSetup(10, Beta: beta))),
        _ => (IEnumerable<Case>)
        [
            Rl("options", RlArm.Options), Rl("options, credit by token", RlArm.Groups), Rl("tokens (K = 1)", RlArm.Tokens),
        ],
    });

    private Case Train(StudyKind kind, string label, TrainSetup setup) =>
        new(kind, label, setup.Name, seed => _lab.Find(setup, seed), (seed, stop) => _lab.Run(setup, seed, stop));

    private Case Rl(string label, RlArm arm) =>
        new(StudyKind.Rl, label, $"rl-{arm}", seed => _lab.Find(arm, seed), (seed, stop) => _lab.Run(arm, seed, stop));

    private StudyTable[] Tables() =>
    [
        .. _kinds.Select(kind => new StudyTable(kind,
        [
            .. Cases().Where(c => c.Kind == kind)
                .Select(c => new StudyCase(c.Label, [.. _options.Seeds.Where(seed => _done.ContainsKey((c.Key, seed))).Select(seed => _done[(c.Key, seed)])])),
        ])),
    ];

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
