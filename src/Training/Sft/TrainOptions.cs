using OllmNative.Model;

namespace OllmNative.Training;

/// <summary>Everything that a training run depends on, with its defaults.</summary>
public sealed record TrainOptions
{
    /// <summary>How z is drawn.</summary>
    public LatentMode Latent { get; init; } = LatentMode.Gumbel;

    /// <summary>Optimizer steps; null: as many as <see cref="Epochs"/> need.</summary>
    public int? Steps { get; init; }

    /// <summary>Passes over the data when <see cref="Steps"/> is not given.</summary>
    public double Epochs { get; init; } = 1;

    /// <summary>Rows per micro-batch.</summary>
    public int BatchSize { get; init; } = 8;

    /// <summary>Micro-batches per step.</summary>
    public int GradAccum { get; init; } = 1;

    /// <summary>Peak learning rate.</summary>
    public double LearningRate { get; init; } = 1e-3;

    /// <summary>Warm-up steps.</summary>
    public int Warmup { get; init; }

    /// <summary>Shape of the learning rate after warm-up.</summary>
    public ScheduleKind Schedule { get; init; } = ScheduleKind.Constant;

    /// <summary>Decoupled weight decay.</summary>
    public double WeightDecay { get; init; }

    /// <summary>Largest global norm of the gradient; 0 does not clip.</summary>
    public double Clip { get; init; } = 1;

    /// <summary>Wanted KL, nats.</summary>
    public double KlTarget { get; init; } = 0.2;

    /// <summary>Rule for beta.</summary>
    public KlAdaptation KlAdapt { get; init; } = KlAdaptation.Log;

    /// <summary>beta of the first step.</summary>
    public double Beta { get; init; } = 1;

    /// <summary>Seed of order and noise.</summary>
    public ulong Seed { get; init; }

    /// <summary>A new order of rows in each epoch; false keeps file order.</summary>
    public bool Shuffle { get; init; } = true;

    /// <summary>Steps between checkpoints; 0: only when the run ends or is interrupted.</summary>
    public int CheckpointEvery { get; init; } = 100;

    /// <summary>Steps between measurements on the validation rows, where there are any; 0: only after the last step.</summary>
    public int ValidationEvery { get; init; } = 100;

    /// <summary>Newest checkpoints that are kept; the best one stays besides.</summary>
    public int KeepCheckpoints { get; init; } = 2;

    /// <summary>
    /// Folder of the hidden-state cache; null computes hidden states in every epoch and keeps them in f32. With it they are
    /// rounded to bf16, in the first epoch too, so that a run's numbers do not depend on what the cache held.
    /// </summary>
    public string? CacheHidden { get; init; }

    /// <summary>Whether a cache that cannot be made (no room, no permission) ends the run; otherwise it is reported, and the backbone runs in every epoch.</summary>
    public bool RequireCache { get; init; } = true;

    /// <summary>Whether hidden states are rounded to bf16.</summary>
    public bool RoundsHidden => CacheHidden is not null;

    /// <summary>Processes that share each step.</summary>
    public int Ranks { get; init; } = 1;

    /// <summary>Rows of one step, all processes together.</summary>
    public int RowsPerStep => BatchSize * GradAccum * Ranks;

    /// <summary>Steps of the run over <paramref name="rows"/> rows.</summary>
    public int TotalSteps(int rows) => Steps ?? Math.Max(1, (int)Math.Ceiling(Epochs * rows / RowsPerStep));

    /// <summary>Checks the ranges.</summary>
    /// <exception cref="OllmException">A value is out of range.</exception>
    public void Validate()
    {
        Require(Steps is null or >= 1, "--steps", Steps, "at least 1");
        Require(Epochs > 0, "--epochs", Epochs, "a number above 0");
        Require(BatchSize >= 1, "--batch-size", BatchSize, "at least 1");
        Require(GradAccum >= 1, "--grad-accum", GradAccum, "at least 1");
        Require(LearningRate >= 0 && double.IsFinite(LearningRate), "--lr", LearningRate, "0 or more");
        Require(Warmup >= 0, "--warmup", Warmup, "0 or more steps");
        Require(WeightDecay >= 0, "--weight-decay", WeightDecay, "0 or more");
        Require(Clip >= 0, "--clip", Clip, "0 (off) or more");
        Require(KeepCheckpoints >= 1, "--keep", KeepCheckpoints, "at least 1 checkpoint");
        Require((long)BatchSize * GradAccum * Ranks <= 1 << 26, "--batch-size x --grad-accum x processes", (long)BatchSize * GradAccum * Ranks, $"at most {1 << 26} rows in a step");
        Require(ValidationEvery >= 0, "--validation-every", ValidationEvery, "0 or more steps");
        Require(CheckpointEvery >= 0, "--checkpoint-every", CheckpointEvery, "0 or more steps");
    }

    private static void Require(bool ok, string flag, object? value, string expected)
    {
        if (!ok) throw new OllmException(string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{flag} {value}: expected {expected}"));
    }
}

/// <summary>One line of metrics.jsonl.</summary>
/// <param name="Step">Optimizer step, from 1.</param>
/// <param name="Loss">ce + beta * kl + policy_ce.</param>
/// <param name="Ce">Mean token cross-entropy, nats.</param>
/// <param name="Kl">Mean KL(q || uniform), nats.</param>
/// <param name="Beta">Weight of the KL term as used in this step.</param>
/// <param name="PolicyCe">Mean cross-entropy of the policy against q, nats.</param>
/// <param name="TokenAccuracy">Share of targets that were the argmax under the z of training.</param>
/// <param name="GradNorm">Global norm of the gradient before clipping.</param>
/// <param name="LearningRate">Learning rate of this step.</param>
/// <param name="Tokens">Target tokens so far.</param>
/// <param name="TokensPerSecond">Tokens of this step, prompts included, over its time.</param>
public readonly record struct TrainMetrics(
    int Step, double Loss, double Ce, double Kl, double Beta, double PolicyCe, double TokenAccuracy, double GradNorm,
    double LearningRate, long Tokens, double TokensPerSecond)
{
    /// <summary>The losses on the validation rows after this step; null when they were not measured.</summary>
    public ValidationMetrics? Validation { get; init; }

    /// <summary>The line's names and values.</summary>
    public IEnumerable<KeyValuePair<string, object?>> Fields()
    {
        (string, object?)[] always =
        [
            ("step", Step), ("loss", Loss), ("ce", Ce), ("kl", Kl), ("beta", Beta), ("policy_ce", PolicyCe), ("token_accuracy", TokenAccuracy),
            ("grad_norm", GradNorm), ("lr", LearningRate), ("tokens", Tokens), ("tokens_per_second", TokensPerSecond),
        ];
        (string, object?)[] sometimes = Validation is not { } v
            ? []
            :
            [
                ("validation_loss", v.Loss), ("validation_ce", v.Ce), ("validation_kl", v.Kl), ("validation_policy_ce", v.PolicyCe),
                ("validation_token_accuracy", v.TokenAccuracy),
            ];
        foreach ((string name, object? value) in (IEnumerable<(string, object?)>)[.. always, .. sometimes]) yield return new(name, value);
    }
}
