namespace OllmNative.Runtime.Language;

/// <summary>How much a compiler is asked to do. Our compiler always does all.</summary>
public enum OptimizationLevel
{
    Debug = 0,
    O0 = Debug,
    Release = 1,
    O1 = Release,
    O2 = 2,
}

/// <summary>How exact mathematics must be. Ours is what the function says; approximations have names of their own.</summary>
public enum MathMode
{
    Default = 0,
    Fast = 1,
    Fast32BitOnly = 2,
}

/// <summary>Which calls are inlined. Ours inlines all.</summary>
public enum InliningMode
{
    Default = 0,
    Aggressive = Default,
    Conservative = 1,
    Disabled = 2,
}

/// <summary>Which symbols are read. Ours reads them where an error needs its line.</summary>
public enum DebugSymbolsMode
{
    Auto = 0,
    Disabled = 1,
    Basic = 2,
    Kernel = 3,
    KernelSourceAnnotations = 4,
}

/// <summary>Whether kernels may read static fields that can change. Ours may not.</summary>
[Flags]
public enum StaticFieldMode
{
    Default = 0,
    MutableStaticFields = 1,
    IgnoreStaticFieldStores = 2,
}

/// <summary>Whether copies pin memory by themselves.</summary>
public enum PageLockingMode
{
    Default = 0,
    Auto = 1,
    Aggressive = 2,
}

/// <summary>Which kernels are kept.</summary>
public enum CachingMode
{
    Default = 0,
    NoKernelCaching = 1,
    NoLaunchCaching = 2,
    Disabled = 3,
}

/// <summary>
/// Settings of a context. Assertions and profiling are ours; the others are there for programs that were written with them, and are what they say
/// they are without changing a result.
/// </summary>
public class ContextProperties
{
    public bool EnableAssertions { get; protected set; }
    public bool EnableIOOperations { get; protected set; }
    public bool EnableProfiling { get; protected set; }
    public OptimizationLevel OptimizationLevel { get; protected set; } = OptimizationLevel.O1;
    public MathMode MathMode { get; protected set; }
    public InliningMode InliningMode { get; protected set; }
    public DebugSymbolsMode DebugSymbolsMode { get; protected set; }
    public StaticFieldMode StaticFieldMode { get; protected set; }
    public PageLockingMode PageLockingMode { get; protected set; }
    public CachingMode CachingMode { get; protected set; }

    /// <summary>Whether the emulator looks for races in shared memory; assertions switch it on.</summary>
    public bool EnableRaceCheck => EnableAssertions;
}
