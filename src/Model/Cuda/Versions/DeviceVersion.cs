#if !ILGPU
namespace OllmNative.Model.Cuda;

/// <summary>A fast way of doing things: its names, what is taken in its place, and how it is tried.</summary>
/// <param name="Kind">Its flag.</param>
/// <param name="Name">What it is called on the command line and in notes.</param>
/// <param name="Title">What it is, in a few words.</param>
/// <param name="InPlace">What is used where it is left out.</param>
/// <param name="IsIn">Whether a device with these options would use it.</param>
/// <param name="Cases">Tiny shapes that take it, with an edge and more than one turn of every ring.</param>
internal sealed record DeviceVersion(
    KernelVersions Kind, string Name, string Title, string InPlace, Func<CudaDeviceOptions, bool> IsIn, Func<IEnumerable<VersionCase>> Cases)
{
    /// <summary>Held against the same device without it, bit for bit; the others against the processor.</summary>
    public bool IsAnOrderOfTheSame => Kind is KernelVersions.Overlap or KernelVersions.Graphs;

    /// <summary>All of them, the plainest first: each is tried with those before it that are right, and none of those behind it.</summary>
    public static IReadOnlyList<DeviceVersion> All { get; } =
    [
        new(KernelVersions.Portable, "portable", "kernels whose threads work together", "one thread or warp a result", o => !o.Plain, VersionCases.Portable),
        new(KernelVersions.Tensor, "tensor", "products on tensor cores", "products in f32", o => o.TensorCores, VersionCases.Tensor),
        new(KernelVersions.Tiles, "tiles", "large tiles on tensor cores", "small tiles", o => o.TensorCores && o.Has(KernelVersions.Tiles), VersionCases.Tiles),
        new(KernelVersions.Head, "head", "head and loss on tensor cores", "a product and a pass over its logits", o => o.TensorCores && o.Has(KernelVersions.Head), VersionCases.Head),
        new(KernelVersions.Attention, "attention", "attention on tensor cores", "attention in f32 with a cache in f32", o => o.TensorCores && o.Has(KernelVersions.Attention), VersionCases.Attention),
        new(KernelVersions.Decode, "decode", "decoding's products on tensor cores", "a warp for each output", o => o.TensorCores && o.Has(KernelVersions.Decode), VersionCases.Decode),
        new(KernelVersions.Wgmma, "wgmma", "products with wgmma and tensor copies", "large tiles of mma.sync", o => o.Hopper && o.Has(KernelVersions.Tiles | KernelVersions.Wgmma), VersionCases.Wgmma),
        new(KernelVersions.Split, "split", "products with K in parts", "products in one part", o => o.Hopper && o.Has(KernelVersions.Tiles | KernelVersions.Wgmma | KernelVersions.Split), VersionCases.Split),
        new(KernelVersions.WgmmaHead, "wgmma-head", "head and loss with wgmma", "head and loss with mma.sync", o => o.Hopper && o.Has(KernelVersions.Head | KernelVersions.WgmmaHead), VersionCases.WgmmaHead),
        new(KernelVersions.WgmmaAttention, "wgmma-attention", "prompts' attention with wgmma", "prompts' attention with mma.sync", o => o.Hopper && o.Has(KernelVersions.Attention | KernelVersions.WgmmaAttention), VersionCases.WgmmaAttention),
        new(KernelVersions.Steps, "steps", "copies beside the work and tokens chosen on the device", "the host between steps", o => o.RunsAhead, VersionCases.Steps),
        new(KernelVersions.Overlap, "overlap", "kernels that start before their predecessors end", "one kernel after the other", o => o.Has(KernelVersions.Overlap), VersionCases.Overlap),
        new(KernelVersions.Graphs, "graphs", "repeated work as CUDA graphs", "a launch for each kernel", o => o.Graphs, VersionCases.Graphs),
    ];

    /// <summary>The options to try it with: it and what is plainer, all choices fixed.</summary>
    public CudaDeviceOptions Alone(CudaDeviceOptions options)
    {
        CudaDeviceOptions alone = options with { MeasureProducts = false, HeadWorkspace = 1 << 14 };
        foreach (DeviceVersion later in All)
            if (later.Kind > Kind) alone = alone.Leaving(later.Kind);
        return alone;
    }

    /// <summary>Those of a list of names, as people write it: with commas.</summary>
    /// <param name="names">The list; null or empty for none.</param>
    /// <param name="source">Where the list comes from, for the message.</param>
    /// <exception cref="OllmException">A name is not known.</exception>
    public static KernelVersions Parse(string? names, string source)
    {
        KernelVersions all = KernelVersions.None;
        foreach (string name in (names ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            all |= All.FirstOrDefault(version => version.Name == name)?.Kind
                ?? throw new OllmException($"{source}: '{name}' is not known, expected some of {string.Join(", ", All.Select(version => version.Name))}");
        }
        return all;
    }
}

/// <summary>One operation that takes a version.</summary>
/// <param name="Test">What is asked for, and how far results may differ.</param>
/// <param name="Tile">The tile that products take; null leaves the choice to the sizes.</param>
/// <param name="Multiprocessors">As many groups as these would run go through all tiles; null for the chip's own.</param>
internal readonly record struct VersionCase(SelftestCase Test, ProductTile? Tile = null, int? Multiprocessors = null);
#endif
