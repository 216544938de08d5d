namespace OllmNative.Runtime.Compiler.Ptx;

/// <summary>The GPU generation that PTX is made for; newer ones of the same line run it too.</summary>
public enum PtxTarget
{
    /// <summary>Turing: no bf16, no asynchronous copies.</summary>
    Sm75 = 75,

    /// <summary>Ampere.</summary>
    Sm80 = 80,

    /// <summary>Ampere, consumer.</summary>
    Sm86 = 86,

    /// <summary>Ada.</summary>
    Sm89 = 89,

    /// <summary>Hopper, the features that later generations keep.</summary>
    Sm90 = 90,

    /// <summary>Hopper with the features of its own; runs on compute capability 9.0 only.</summary>
    Sm90a = 901,
}

/// <summary>Names of targets.</summary>
public static class PtxTargets
{
    /// <summary>Such as <c>sm_80</c>.</summary>
    public static string Name(this PtxTarget target) => target == PtxTarget.Sm90a ? "sm_90a" : $"sm_{(int)target}";

    /// <summary>
    /// The PTX ISA that the target's text declares: as old as suffices, so that as many drivers as can be load it. 7.4 (CUDA 11.4) has all that
    /// is written for Ampere, 7.8 (11.8) knows sm_89 and sm_90, 8.0 (12.0) sm_90a.
    /// </summary>
    public static string IsaVersion(this PtxTarget target) => target switch
    {
        PtxTarget.Sm90a => "8.0",
        PtxTarget.Sm90 or PtxTarget.Sm89 => "7.8",
        _ => "7.4",
    };

    /// <summary>The target of a name such as <c>sm_80</c>; null when there is none.</summary>
    public static PtxTarget? Parse(string name)
    {
        foreach (PtxTarget target in Enum.GetValues<PtxTarget>())
            if (target.Name() == name) return target;
        return null;
    }
}
