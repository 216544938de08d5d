namespace OllmNative.Kernels;

/// <summary>What a training step depends on beside the numbers on the device.</summary>
public struct StepFactors
{
    /// <summary>Targets of the step; largest global norm, 0 for any; wanted KL.</summary>
    public double Targets, Clip, KlTarget;

    /// <summary>How beta follows the KL.</summary>
    public int Rule;
}

/// <summary>
/// The numbers of a training step, in device memory: what adds up during the step, what lasts from step to step, and the report on the last
/// step. All f64, in this order.
/// </summary>
public struct StepNumbers
{
    /// <summary>Sums over the targets so far, which a step begins by clearing: token cross-entropy, KL, the policy's cross-entropy, hits; then the gradient's squared norm.</summary>
    public double Ce, Kl, Policy, Hits, SquaredNorm;

    /// <summary>beta of the running step; not 0 once a step had a loss or norm that is not a number: parameters stay from then on.</summary>
    public double Beta, Failed;

    /// <summary>The last step: means of the losses, share of hits, squared norm, the beta that it used, whether it failed, the clipping factor.</summary>
    public double MeanCe, MeanKl, MeanPolicy, MeanHits, StepNorm, StepBeta, StepFailed, Scale;
}

/// <summary>The end of a training step, on the device, so that the host waits for nothing: clipping factor, beta, report.</summary>
public static class StepControl
{
    /// <summary>Numbers of a <see cref="StepNumbers"/>; where beta, the failure, the report and the clipping factor stand.</summary>
    public const int Length = 15, BetaAt = 5, SquaredNormAt = 4, ReportAt = 7, ReportLength = 8, FailedAt = 13, ScaleAt = 14;

    /// <summary>Rules for beta.</summary>
    public const int Log = 0, Mult = 1, Fixed = 2;

    private const double Rate = 0.02, MinLog = -8, MaxLog = 4, Band = 1.1, MinMult = 1e-6, MaxMult = 1e6;

    private const string Contract = """
        numbers [15] f64: means and report from the sums, scale = min(1, clip / (sqrt(squared norm) + 1e-6)), beta for the next step
        a loss or norm that is not finite sets the failure, which stays
        grid 1, group 1
        bytes 240, flops 100
        """;

    [Kernel("StepControl", Contract)]
    public static void Run(ArrayView<double> numbers, StepFactors factors)
    {
        StepNumbers n = default;
        n.Ce = numbers[0];
        n.Kl = numbers[1];
        n.Policy = numbers[2];
        n.Hits = numbers[3];
        n.SquaredNorm = numbers[SquaredNormAt];
        n.Beta = numbers[BetaAt];
        n.Failed = numbers[6];
        n = Next(n, factors);
        numbers[BetaAt] = n.Beta;
        numbers[6] = n.Failed;
        numbers[ReportAt] = n.MeanCe;
        numbers[8] = n.MeanKl;
        numbers[9] = n.MeanPolicy;
        numbers[10] = n.MeanHits;
        numbers[11] = n.StepNorm;
        numbers[12] = n.StepBeta;
        numbers[FailedAt] = n.StepFailed;
        numbers[ScaleAt] = n.Scale;
    }

    /// <summary>The numbers after the step. The clipping rule is that of PyTorch's clip_grad_norm_.</summary>
    public static StepNumbers Next(StepNumbers n, StepFactors factors)
    {
        StepNumbers next = n;
        next.MeanCe = n.Ce / factors.Targets;
        next.MeanKl = n.Kl / factors.Targets;
        next.MeanPolicy = n.Policy / factors.Targets;
        next.MeanHits = n.Hits / factors.Targets;
        next.StepNorm = n.SquaredNorm;
        next.StepBeta = n.Beta;
        double all = XMath.Abs(next.MeanCe + n.Beta * next.MeanKl + next.MeanPolicy) + n.SquaredNorm;
        bool failed = n.Failed != 0.0 || !(all < double.PositiveInfinity);
        next.Failed = failed ? 1.0 : 0.0;
        next.StepFailed = next.Failed;
        next.Scale = factors.Clip > 0.0 ? XMath.Min(1.0, factors.Clip / (XMath.Sqrt(n.SquaredNorm) + 1e-6)) : 1.0;
        next.Beta = failed ? n.Beta : NextBeta(n.Beta, next.MeanKl, factors.KlTarget, factors.Rule);
        return next;
    }

    /// <summary>beta after a step with this mean KL.</summary>
    public static double NextBeta(double beta, double kl, double target, int rule)
    {
        if (rule == Log) return XMath.Exp(XMath.Min(XMath.Max(XMath.Log(beta) + Rate * (kl - target), MinLog), MaxLog));
        if (rule != Mult) return beta;
        if (kl > Band * target) return XMath.Min(beta * Band, MaxMult);
        return kl < target / Band ? XMath.Max(beta / Band, MinMult) : beta;
    }
}
