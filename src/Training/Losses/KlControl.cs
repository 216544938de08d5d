using OllmNative.Kernels;
using OllmNative.Model;

namespace OllmNative.Training;

/// <summary>How beta follows the measured KL.</summary>
public enum KlAdaptation
{
    /// <summary>log beta += rate * (kl - target), clamped.</summary>
    Log = StepControl.Log,

    /// <summary>beta grows or shrinks by a tenth when the KL leaves a band of a tenth around the target.</summary>
    Mult = StepControl.Mult,

    /// <summary>beta stays.</summary>
    Fixed = StepControl.Fixed,
}

/// <summary>Keeps L_kl near its target by adapting beta after each step; the step itself uses beta as it was before.</summary>
public sealed class KlControl
{
    /// <summary>Starts at <paramref name="beta"/>.</summary>
    /// <param name="rule">The rule.</param>
    /// <param name="target">Wanted KL in nats.</param>
    /// <param name="beta">Weight of the KL term in the first step.</param>
    /// <exception cref="OllmException">The target or beta is out of range.</exception>
    public KlControl(KlAdaptation rule, double target, double beta)
    {
        if (!(target >= 0)) throw new OllmException($"--kl-target {target}: expected 0 or more nats");
        if (!(beta >= 0) || (beta == 0 && rule != KlAdaptation.Fixed) || double.IsInfinity(beta))
            throw new OllmException($"--beta {beta}: expected a number above 0 (0 only with --kl-adapt fixed)");
        (Rule, Target, Beta) = (rule, target, beta);
    }

    /// <summary>The rule.</summary>
    public KlAdaptation Rule { get; }

    /// <summary>Wanted KL in nats.</summary>
    public double Target { get; }

    /// <summary>Weight of the KL term in the next step.</summary>
    public double Beta { get; set; }

    /// <summary>Adapts beta to the mean KL of the step that was just done, as the end of a step does on a device.</summary>
    public void Update(double kl) => Beta = StepControl.NextBeta(Beta, kl, Target, (int)Rule);
}
