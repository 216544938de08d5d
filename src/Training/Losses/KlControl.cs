using OllmNative.Model;

namespace OllmNative.Training;

/// <summary>How beta follows the measured KL.</summary>
public enum KlAdaptation
{
    /// <summary>log beta += rate * (kl - target), clamped.</summary>
    Log,

    /// <summary>beta grows or shrinks by a tenth when the KL leaves a band of a tenth around the target.</summary>
    Mult,

    /// <summary>beta stays.</summary>
    Fixed,
}

/// <summary>Keeps L_kl near its target by adapting beta after each step; the step itself uses beta as it was before.</summary>
public sealed class KlControl
{
    private const double Rate = 0.02, MinLog = -8, MaxLog = 4, Band = 1.1, MinMult = 1e-6, MaxMult = 1e6;

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

    /// <summary>Adapts beta to the mean KL of the step that was just done.</summary>
    public void Update(double kl)
    {
        switch (Rule)
        {
            case KlAdaptation.Log:
                Beta = Math.Exp(Math.Clamp(Math.Log(Beta) + Rate * (kl - Target), MinLog, MaxLog));
                break;
            case KlAdaptation.Mult when kl > Band * Target:
                Beta = Math.Min(Beta * Band, MaxMult);
                break;
            case KlAdaptation.Mult when kl < Target / Band:
                Beta = Math.Max(Beta / Band, MinMult);
                break;
        }
    }
}
