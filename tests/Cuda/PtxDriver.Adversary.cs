using OllmNative.Tests.Ptx;

namespace OllmNative.Tests.Cuda;

internal sealed unsafe partial class PtxDriver
{
    /// <summary>Runs launches as badly as it may; null runs them one group after the other.</summary>
    public PtxAdversary? Adversary { get; set; }

    /// <summary>A change to the programs of launches to come.</summary>
    public Func<PtxModule, PtxModule>? Changes { get; set; }

    /// <summary>What the adversary found. It does not end the context: what follows runs on.</summary>
    public List<string> Findings { get; } = [];

    /// <summary>Most launches that the adversary ran side by side as far as they may.</summary>
    public int LongestChain { get; private set; }

    /// <summary>Modules that the adversary ran, and which of their instructions.</summary>
    public Dictionary<PtxModule, bool[]> Ran { get; } = [];

    /// <summary>A launch together with those right behind it that may overlap their predecessors.</summary>
    private void RunBadly(Stream stream, Work first)
    {
        var chain = new List<Work> { first };
        while (stream.Pending.TryPeek(out Work? next) && next is { Grid: not null, Overlaps: true }) chain.Add(stream.Pending.Dequeue());
        LongestChain = Math.Max(LongestChain, chain.Count);
        var grids = new List<PtxGrid>();
        try
        {
            foreach (Work work in chain) grids.Add(work.Grid!());
            Adversary!.Run(grids, Adversary.Watch.Stream(stream));
        }
        catch (Exception error) when (error is PtxException or ArgumentException or IndexOutOfRangeException or KeyNotFoundException or InvalidOperationException)
        {
            // A changed program may do anything.
            Findings.Add(error is PtxException || Changes is not null ? error.Message : error.ToString());
        }
    }

    /// <summary>A copy or a fill, as the adversary sees it.</summary>
    private void Watch(Stream stream, nint address, nuint bytes, PtxAccess access)
    {
        if (Adversary is not { Watch: { } watch }) return;
        try
        {
            watch.Copy(watch.Stream(stream), (ulong)address, (long)bytes, access);
        }
        catch (PtxException error)
        {
            Findings.Add(error.Message);
        }
    }

    private PtxGrid NewGrid(PtxModule module, Dim3 grid, Dim3 group, ulong[] arguments, byte[]?[] maps, int shared, bool overlaps)
    {
        if (!Ran.TryGetValue(module, out bool[]? reached)) Ran[module] = reached = new bool[module.Code.Count];
        ulong[] all = PlaceMaps(arguments, maps);
        return new PtxGrid(Changes is null ? module : Changes(module), Memory, grid, group, all, shared, overlaps) { Freed = () => FreeMaps(all, maps), Reached = reached };
    }
}
