using OllmNative.Model;

namespace OllmNative.Training;

/// <summary>Sizes of the tiny world's studies, and what they vary. Everything that is not varied has the demo's value.</summary>
public sealed record StudyOptions
{
    /// <summary>Seeds: data, noise and rollouts of each run follow from one of them.</summary>
    public IReadOnlyList<ulong> Seeds { get; init; } = [1, 2, 3];

    /// <summary>K, with the default KL target and start of beta.</summary>
    public IReadOnlyList<int> Options { get; init; } = [1, 2, 5, 10, 20];

    /// <summary>KL targets in nats, with K = 10.</summary>
    public IReadOnlyList<double> KlTargets { get; init; } = [0, 0.05, 0.2, 0.5];

    /// <summary>Starts of beta, with K = 10.</summary>
    public IReadOnlyList<double> Betas { get; init; } = [0.05, 0.2, 1];

    /// <summary>Supervised steps of each run.</summary>
    public int TrainSteps { get; init; } = 500;

    /// <summary>Updates of each RL run.</summary>
    public int RlSteps { get; init; } = 250;

    /// <summary>Rows that runs are trained on.</summary>
    public int TrainingRows { get; init; } = 8000;

    /// <summary>Held-out problems that runs are evaluated on, 300 at most.</summary>
    public int Problems { get; init; } = 300;

    /// <summary>N of sampled answers and of pass@N.</summary>
    public int Samples { get; init; } = 8;

    /// <summary>Updates between evaluations in RL.</summary>
    public int EvaluateEvery { get; init; } = 5;

    /// <summary>Problems of an RL update.</summary>
    public int RlProblems { get; init; } = 48;

    /// <summary>First learning rate of RL on options.</summary>
    public double OptionsRate { get; init; } = 8e-3;

    /// <summary>First learning rate of RL on options with credit by token.</summary>
    public double GroupsRate { get; init; } = 4e-3;

    /// <summary>First learning rate of RL on tokens.</summary>
    public double TokensRate { get; init; } = 4e-3;

    /// <summary>A quarter of the work: for a first look.</summary>
    public StudyOptions Quick() => this with { TrainSteps = 150, RlSteps = 60, Problems = 100 };

    /// <summary>Checks the ranges.</summary>
    /// <exception cref="OllmException">A value is out of range.</exception>
    public void Validate()
    {
        if (Seeds.Count == 0) throw new OllmException("--seeds 0: expected at least 1");
        foreach (int k in Options)
            if (k is < 1 or > 1024) throw new OllmException($"--options {k}: expected numbers from 1 to 1024");
        foreach (double target in KlTargets)
            if (!(target >= 0 && double.IsFinite(target))) throw new OllmException($"--kl-targets {target}: expected numbers of at least 0 nats");
        foreach (double beta in Betas)
            if (!(beta > 0 && double.IsFinite(beta))) throw new OllmException($"--betas {beta}: expected numbers above 0");
        if (Problems is < 1 or > 300) throw new OllmException($"--problems {Problems}: expected 1 to 300, as many different held-out problems as there are");
        if (Samples < 1) throw new OllmException($"--samples {Samples}: expected at least 1");
    }
}
