namespace OllmNative.Kernels;

/// <summary>What a small kernel of a decoding step begins with, so that its launch costs nothing on top of its predecessor.</summary>
internal static class Overlap
{
    /// <summary>Lets the next kernel be launched and waits for the memory of the ones before; nothing where kernels follow each other anyway.</summary>
    public static void Begin()
    {
#if !ILGPU
        Runtime.Extensions.GridDependency.LaunchDependents();
        Runtime.Extensions.GridDependency.Wait();
#endif
    }
}
