namespace OllmNative.Model.Cuda;

/// <summary>The fast ways of doing things that a GPU can be asked to go without, the plainest first.</summary>
[Flags]
internal enum KernelVersions
{
    /// <summary>None of them.</summary>
    None = 0,

    /// <summary>Kernels whose threads share work through barriers; below them are those of one thread, or one warp, a result.</summary>
    Portable = 1,

    /// <summary>Products on tensor cores, mma.sync, tiles of 64 and 128.</summary>
    Tensor = 1 << 1,

    /// <summary>The same in large tiles with several stages of copies, and what they do on the way out.</summary>
    Tiles = 1 << 2,

    /// <summary>Head, loss and gradient on tensor cores, mma.sync.</summary>
    Head = 1 << 3,

    /// <summary>Attention over a cache of bf16, mma.sync.</summary>
    Attention = 1 << 4,

    /// <summary>Decoding's products of up to 16 rows on tensor cores.</summary>
    Decode = 1 << 5,

    /// <summary>Products on warp groups with tensor copies.</summary>
    Wgmma = 1 << 6,

    /// <summary>The same with K in parts.</summary>
    Split = 1 << 7,

    /// <summary>Head, loss and gradient on warp groups.</summary>
    WgmmaHead = 1 << 8,

    /// <summary>Prompts' attention on warp groups.</summary>
    WgmmaAttention = 1 << 9,

    /// <summary>Work beside the host: page-locked copies, a second stream, tokens chosen on the device.</summary>
    Steps = 1 << 10,

    /// <summary>Kernels that start before their predecessors have ended.</summary>
    Overlap = 1 << 11,

    /// <summary>Repeated work recorded into graphs.</summary>
    Graphs = 1 << 12,
}
