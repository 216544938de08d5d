using OllmNative.Model;

namespace OllmNative.Training;

/// <summary>What latent RL credits with an answer's reward.</summary>
public enum RlCredit
{
    /// <summary>The option that was drawn: log pi(z).</summary>
    Option,

    /// <summary>All options that would have said the same token: log of the sum of their pi.</summary>
    Token,
}

/// <summary>Settings of RL on answers, of options or of tokens, with their defaults.</summary>
public sealed record LatentRlOptions
{
    /// <summary>Updates; each has its own rollouts.</summary>
    public int Steps { get; init; } = 200;

    /// <summary>Problems per update.</summary>
    public int Problems { get; init; } = 48;

    /// <summary>G, rollouts per problem; advantages compare them with each other.</summary>
    public int Rollouts { get; init; } = 8;

    /// <summary>Most tokens of a rollout.</summary>
    public int MaxTokens { get; init; } = 512;

    /// <summary>Learning rate of the first step.</summary>
    public double LearningRate { get; init; } = 2e-3;

    /// <summary>Learning rate of the last step; in between it falls along half a cosine.</summary>
    public double FinalLearningRate { get; init; } = 1e-4;

    /// <summary>Weight of the entropy bonus in the first step; it falls linearly to zero.</summary>
    public double Entropy { get; init; } = 0.02;

    /// <summary>Range of the probability ratio (PPO's clip).</summary>
    public double ClipRatio { get; init; } = 0.2;

    /// <summary>Passes over the rollouts of each step.</summary>
    public int Epochs { get; init; } = 2;

    /// <summary>Largest global norm of the gradient; 0 does not clip.</summary>
    public double Clip { get; init; } = 1;

    /// <summary>What is credited with the reward; RL on tokens has no choice here.</summary>
    public RlCredit Credit { get; init; } = RlCredit.Option;

    /// <summary>Seed of order and samples.</summary>
    public ulong Seed { get; init; }

    /// <summary>Updates between checkpoints; 0: only when the run ends or is interrupted.</summary>
    public int CheckpointEvery { get; init; } = 50;

    /// <summary>Checkpoints that are kept.</summary>
    public int KeepCheckpoints { get; init; } = 2;

    /// <summary>Updates between evaluations on validation problems, where there are some.</summary>
    public int EvaluateEvery { get; init; } = 20;

    /// <summary>Rollouts of an update, all of whose tokens are in memory: 1,048,576.</summary>
    public const int MostRollouts = 1 << 20;

    /// <summary>Checks the ranges.</summary>
    /// <exception cref="OllmException">A value is out of range.</exception>
    public void Validate()
    {
        if (Steps < 1) throw new OllmException($"--steps {Steps}: expected at least 1");
        if (Problems < 1) throw new OllmException($"--batch-size {Problems}: expected at least 1 problem");
        if (Rollouts < 2) throw new OllmException($"--rollouts {Rollouts}: expected at least 2, because advantages compare rollouts of one problem");
        if ((long)Problems * Rollouts > MostRollouts) throw new OllmException($"--batch-size {Problems} x --rollouts {Rollouts}: expected at most {MostRollouts} rollouts in an update");
        if (MaxTokens < 1) throw new OllmException($"--max-tokens {MaxTokens}: expected at least 1");
        if (Epochs < 1) throw new OllmException($"--rl-epochs {Epochs}: expected at least 1");
        if (!(LearningRate >= 0 && FinalLearningRate >= 0 && double.IsFinite(LearningRate + FinalLearningRate)))
            throw new OllmException($"--lr {LearningRate}, falling to {FinalLearningRate}: expected 0 or more");
        if (!(Entropy >= 0 && double.IsFinite(Entropy))) throw new OllmException($"entropy bonus {Entropy}: expected 0 or more");
        if (!(ClipRatio > 0)) throw new OllmException($"clip ratio {ClipRatio}: expected a number above 0");
        if (CheckpointEvery < 0) throw new OllmException($"--checkpoint-every {CheckpointEvery}: expected 0 or more updates");
        if (EvaluateEvery < 1) throw new OllmException($"--eval-every {EvaluateEvery}: expected at least 1 update");
        if (!(Clip >= 0)) throw new OllmException($"--clip {Clip}: expected 0 (off) or more");
    }
}

/// <summary>One line of the RL run's metrics.jsonl.</summary>
/// <param name="Step">Update, from 1.</param>
/// <param name="Reward">Mean reward of the rollouts: the share with a right answer.</param>
/// <param name="ActiveGroups">Share of problems whose rollouts differ in reward, the only ones that teach.</param>
/// <param name="Malformed">Share of rollouts without a recognisable answer.</param>
/// <param name="Entropy">Mean of -log pi of the choices: options, or tokens.</param>
/// <param name="Loss">Mean surrogate loss of the first pass.</param>
/// <param name="GradNorm">Gradient norm of the last pass before clipping.</param>
/// <param name="LearningRate">Learning rate.</param>
/// <param name="Rollouts">Rollouts so far.</param>
/// <param name="TokensPerSecond">Generated tokens per second of the step.</param>
public sealed record RlMetrics(
    int Step, double Reward, double ActiveGroups, double Malformed, double Entropy, double Loss, double GradNorm, double LearningRate, long Rollouts, double TokensPerSecond);
