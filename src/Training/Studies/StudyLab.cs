using System.Globalization;
using OllmNative.Model;

namespace OllmNative.Training;

/// <summary>What RL learns to choose in a study.</summary>
public enum RlArm
{
    /// <summary>Options, each credited for itself.</summary>
    Options,

    /// <summary>Options, those that say the same token credited together.</summary>
    Groups,

    /// <summary>Tokens of an adapter with one option.</summary>
    Tokens,
}

/// <summary>
/// The runs that studies are made of. Each has a file in <c>runs</c>; one that is there is not made again. Trained models lie
/// in <c>models</c> and RL runs in <c>rl</c>, with checkpoints, so that an interrupted run goes on where it stopped.
/// </summary>
public sealed class StudyLab(QwenBackbone backbone, Tokenizer tokenizer, StudyOptions options, string folder)
{
    private readonly Dictionary<ulong, TinyLab> _labs = [];

    /// <summary>Called with the run and its stage, the work done and the work in all.</summary>
    public Action<string, long, long>? OnProgress { get; init; }

    /// <summary>The result of a supervised run that was made before; null when there is none.</summary>
    /// <exception cref="OllmException">It was made with other settings, or its file is damaged.</exception>
    public StudyResult? Find(TrainSetup setup, ulong seed)
    {
        ArgumentNullException.ThrowIfNull(setup);
        return StudyResult.Find(PathOf($"{setup.Name}-seed{seed}"), Settings(setup, seed));
    }

    /// <summary>The result of an RL run that was made before; null when there is none.</summary>
    /// <exception cref="OllmException">It was made with other settings, or its file is damaged.</exception>
    public StudyResult? Find(RlArm arm, ulong seed) => StudyResult.Find(PathOf(NameOf(arm, seed)), Settings(arm, seed));

    /// <summary>Makes a supervised run with one seed.</summary>
    public StudyResult Run(TrainSetup setup, ulong seed, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(setup);
        string name = $"{setup.Name}-seed{seed}";
        TinyLab lab = Lab(seed);
        using OllmModel ollm = Model(setup, lab, cancellation);
        var figures = new Dictionary<string, double>();
        TrainingFigures(Path.Combine(folder, "models", name), figures, out double[][] ce);
        new TrainedFigures(lab, ollm, options.Samples, stage => OnProgress?.Invoke($"{name}: {stage}", 0, 1)).Measure(figures, cancellation);
        return Saved(new StudyResult { Name = name, Settings = Settings(setup, seed), Figures = figures, Curves = new Dictionary<string, double[][]> { ["ce"] = ce } });
    }

    /// <summary>Makes an RL run with one seed: on options from the default OLLM, or on tokens from an adapter with as many trained numbers.</summary>
    public StudyResult Run(RlArm arm, ulong seed, CancellationToken cancellation)
    {
        string name = NameOf(arm, seed);
        TinyLab lab = Lab(seed);
        using OllmModel ollm = Model(SetupOf(arm), lab, cancellation);
        LatentRlOptions rl = lab.Rl(options.RlSteps) with
        {
            LearningRate = RateOf(arm), Problems = options.RlProblems, EvaluateEvery = options.EvaluateEvery, CheckpointEvery = 25,
            Credit = arm == RlArm.Groups ? RlCredit.Token : RlCredit.Option,
        };
        var study = new RlStudyRun(lab, ollm, rl, options.Samples, Path.Combine(folder, "rl", name))
        {
            OnProgress = (stage, done, total) => OnProgress?.Invoke($"{name}: {stage}", done, total),
        };
        return Saved(study.Run(name, Settings(arm, seed), cancellation));
    }

    /// <summary>The width at which <c>decoder.*</c> with K = 1 has about as many numbers as <c>policy.*</c> with K = 10 and the default width.</summary>
    public static int MatchedWidth(int hidden)
    {
        const int k = 10;
        int m = OllmShape.DefaultLatentWidth(hidden);
        // policy: d + md + m + km + k; decoder with K = 1: d + wd + w + w + dw + d.
        double policy = hidden + (double)m * hidden + m + (double)k * m + k;
        return Math.Max(1, (int)Math.Round((policy - 2.0 * hidden) / (2.0 * hidden + 2)));
    }

    private static string NameOf(RlArm arm, ulong seed) => $"rl-{arm.ToString().ToLowerInvariant()}-seed{seed}";

    private TrainSetup SetupOf(RlArm arm) => arm == RlArm.Tokens ? new TrainSetup(1, LatentWidth: MatchedWidth(backbone.Config.HiddenSize)) : new TrainSetup(10);

    private double RateOf(RlArm arm) => arm switch { RlArm.Options => options.OptionsRate, RlArm.Groups => options.GroupsRate, _ => options.TokensRate };

    private string PathOf(string name) => Path.Combine(folder, "runs", name + ".json");

    private StudyResult Saved(StudyResult result)
    {
        Directory.CreateDirectory(Path.Combine(folder, "runs"));
        result.Save(PathOf(result.Name));
        return result;
    }

    private Dictionary<string, string> Settings(RlArm arm, ulong seed)
    {
        Dictionary<string, string> settings = Settings(SetupOf(arm), seed);
        foreach ((string key, object value) in (ReadOnlySpan<(string, object)>)
            [("rl-steps", options.RlSteps), ("rl-problems", options.RlProblems), ("rl-rate", RateOf(arm)), ("eval-every", options.EvaluateEvery)])
            settings[key] = Convert.ToString(value, CultureInfo.InvariantCulture)!;
        return settings;
    }

    private Dictionary<string, string> Settings(TrainSetup setup, ulong seed) => new()
    {
        ["model"] = backbone.Fingerprint, ["setup"] = setup.Name, ["seed"] = seed.ToString(CultureInfo.InvariantCulture),
        ["steps"] = options.TrainSteps.ToString(CultureInfo.InvariantCulture), ["rows"] = options.TrainingRows.ToString(CultureInfo.InvariantCulture),
        ["problems"] = options.Problems.ToString(CultureInfo.InvariantCulture), ["samples"] = options.Samples.ToString(CultureInfo.InvariantCulture),
    };

    private TinyLab Lab(ulong seed)
    {
        if (!_labs.TryGetValue(seed, out TinyLab? lab))
            _labs[seed] = lab = new TinyLab(backbone, tokenizer, seed, options.TrainingRows, options.Problems, Path.Combine(folder, "data", $"seed{seed}"));
        return lab;
    }

    /// <summary>The OLLM of a setup: trained now, or read from its last checkpoint.</summary>
    private OllmModel Model(TrainSetup setup, TinyLab lab, CancellationToken cancellation)
    {
        string name = $"{setup.Name}-seed{lab.Seed}", place = Path.Combine(folder, "models", name);
        OllmModel ollm = OllmModel.Create(backbone, setup.Options, setup.LatentWidth, lab.Seed);
        try
        {
            using var trainer = new Trainer(backbone, ollm, lab.TrainingRows, lab.Training(options.TrainSteps) with { KlTarget = setup.KlTarget, Beta = setup.Beta });
            if (!trainer.TryResume(place) || trainer.StepsDone < trainer.TotalSteps)
                trainer.Run(place, line => OnProgress?.Invoke($"{name}: train", line.Step, options.TrainSteps), cancellation);
            return ollm;
        }
        catch
        {
            ollm.Dispose();
            throw;
        }
    }

    /// <summary>Means over the last tenth of the steps, and the cross-entropy's curve.</summary>
    private static void TrainingFigures(string place, Dictionary<string, double> figures, out double[][] ce)
    {
        const int points = 50;
        List<Dictionary<string, double>> lines = [.. JsonLines.Numbers(Path.Combine(place, "metrics.jsonl"))];
        int last = Math.Max(1, lines.Count / 10), run = Math.Max(1, lines.Count / points);
        foreach (string name in (string[])["ce", "kl", "beta", "policy_ce"]) figures["train_" + name] = lines.TakeLast(last).Average(line => line[name]);
        ce = [.. lines.Chunk(run).Select(part => (double[])[part[^1]["step"], part.Average(line => line["ce"])])];
    }
}
