using OllmNative.Runtime.Cuda;

namespace OllmNative.Tests.Cuda;

/// <summary>What a kernel does on a chip that has trouble with it.</summary>
public enum Trouble
{
    None,

    /// <summary>It leaves its results as they were.</summary>
    Wrong,

    /// <summary>The driver's compiler does not take it.</summary>
    Refused,

    /// <summary>Its launch is an error, but not the end of the context.</summary>
    NotLaunched,

    /// <summary>It takes the context with it.</summary>
    Deadly,

    /// <summary>It never ends.</summary>
    Endless,
}

internal sealed partial class PtxDriver
{
    private readonly ManualResetEventSlim _mercy = new();

    /// <summary>Which kernels are in trouble, by their entry.</summary>
    public Func<string, Trouble> Troubles { get; set; } = static _ => Trouble.None;

    /// <summary>Kernels in trouble that were asked for in any way.</summary>
    public int Troubled { get; private set; }

    /// <summary>What launches return while a stream is recorded.</summary>
    public CuResult InRecording { get; set; }

    /// <summary>Lets endless kernels end.</summary>
    public void EndAll() => _mercy.Set();

    private bool Has(Trouble trouble, string entry)
    {
        bool has = Troubles(entry) == trouble;
        if (has) Troubled++;
        return has;
    }

    /// <summary>A launch's work, or what becomes of it.</summary>
    private Action InTrouble(string entry, Action run) => () =>
    {
        if (Has(Trouble.Endless, entry)) _mercy.Wait();
        else if (Has(Trouble.Deadly, entry)) _sticky = CuResult.IllegalInstruction;
        else if (!Has(Trouble.Wrong, entry)) run();
    };
}
