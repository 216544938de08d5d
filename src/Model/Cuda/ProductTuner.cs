#if !ILGPU
using OllmNative.Kernels;
using OllmNative.Runtime.Cuda;
using OllmNative.Runtime.Language;

namespace OllmNative.Model.Cuda;

/// <summary>
/// The table of tiles of one chip: what was measured in this process, or in an earlier one and noted beside the compiled kernels. A note is found
/// by GPU, driver, kernels and sizes, and is a file of its own, so processes may measure side by side; one that is damaged is measured again.
/// </summary>
internal sealed class ProductTuner(Accelerator accelerator)
{
    private const int Rounds = 3;

    // A result that is further from the first candidate's than rounding explains is wrong; its kernel is not taken.
    private const float Tolerance = 0.02f;

    // Null: no note of an earlier run either.
    private readonly Dictionary<ProductSize, ProductTile?> _known = [];

    /// <summary>The tile for sizes like these, if it has been measured.</summary>
    public ProductTile? Find(in ProductSize size)
    {
        ProductSize key = size.Class;
        if (_known.TryGetValue(key, out ProductTile? known)) return known;
        string? note = (accelerator as CudaAccelerator)?.Notes.Recall(Subject(key));
        return _known[key] = Enum.TryParse(note, out ProductTile tile) && Enum.IsDefined(tile) ? tile : null;
    }

    /// <summary>Tries every candidate on the queue and notes the fastest that is right.</summary>
    /// <param name="size">What is multiplied.</param>
    /// <param name="candidates">The first one's results are what the others' are held against.</param>
    /// <param name="queue">Where they run.</param>
    /// <param name="run">Makes the product with a tile, overwriting the result.</param>
    /// <param name="sample">Some of the result.</param>
    public ProductTile Measure(in ProductSize size, ReadOnlySpan<ProductTile> candidates, AcceleratorStream queue, Action<ProductTile> run, Func<float[]> sample)
    {
        (ProductTile best, double least) = (candidates[0], double.PositiveInfinity);
        float[] expected = [];
        foreach (ProductTile candidate in candidates)
        {
            run(candidate);
            float[] found = sample();
            if (candidate == candidates[0]) expected = found;
            else if (!Agree(expected, found)) continue;
            double time = double.PositiveInfinity;
            for (int round = 0; round < Rounds; round++)
            {
                using ProfilingMarker start = queue.AddProfilingMarker();
                run(candidate);
                using ProfilingMarker end = queue.AddProfilingMarker();
                time = Math.Min(time, end.MeasureFrom(start).TotalMilliseconds);
            }
            if (time < least) (best, least) = (candidate, time);
        }
        _known[size.Class] = best;
        (accelerator as CudaAccelerator)?.Notes.Remember(Subject(size.Class), best.ToString());
        return best;
    }

    /// <summary>What a note is about: the sizes, and the kernels that were compared.</summary>
    internal static string Subject(in ProductSize size) => $"product {size.Form} {size.M} {size.N} {size.K} {typeof(KernelCatalog).Module.ModuleVersionId:N}";

    private static bool Agree(float[] expected, float[] found)
    {
        float largest = 1e-6f;
        foreach (float value in expected) largest = Math.Max(largest, Math.Abs(value));
        for (int i = 0; i < expected.Length; i++)
            if (!(Math.Abs(expected[i] - found[i]) <= Tolerance * largest)) return false;
        return true;
    }
}
#endif
