using OllmNative.Runtime.Emulator;
using OllmNative.Runtime.Language;

namespace OllmNative.Tests;

/// <summary>
/// Holds the kernel language to ILGPU's names and signatures. The list has two parts: what both have, so that kernels and hosts compile
/// against either; and what only ours has, for backends.
/// </summary>
public class KernelLanguageSurfaceTests
{
    private static readonly Type[] Types =
    [
        typeof(ArrayView<>), typeof(ArrayView1D<,>), typeof(ArrayView2D<,>), typeof(ArrayView3D<,>), typeof(ArrayViewExtensions),
        typeof(Stride3D.DenseXY), typeof(Stride3D.DenseZY), typeof(Stride3D.General), typeof(Stride1D.Infinite), typeof(Stride1D.Dense), typeof(Stride1D.General), typeof(Stride2D.DenseX), typeof(Stride2D.DenseY), typeof(Stride2D.General),
        typeof(Index1D), typeof(Index2D), typeof(Index3D), typeof(LongIndex1D), typeof(LongIndex2D), typeof(LongIndex3D),
        typeof(Group), typeof(Grid), typeof(Warp), typeof(SharedMemory), typeof(LocalMemory), typeof(MemoryFence), typeof(Atomic), typeof(Interop),
        typeof(XMath), typeof(IntrinsicMath), typeof(IntrinsicMath.IntegerParts), typeof(IntrinsicMath.BitOperations), typeof(KernelInfo), typeof(KernelUtil), typeof(ContextProperties), typeof(OllmNative.Runtime.Language.Half), typeof(KernelConfig), typeof(SharedMemoryConfig), typeof(KernelSpecialization), typeof(SpecializedValue<>),
        typeof(Context), typeof(Context.Builder), typeof(Context.DeviceCollection<>), typeof(Device), typeof(Accelerator), typeof(AcceleratorObject),
        typeof(AcceleratorStream), typeof(ProfilingMarker), typeof(ProfilingMarkers), typeof(MemoryBuffer), typeof(MemoryBuffer<>),
        typeof(MemoryBuffer1D<,>), typeof(MemoryBuffer2D<,>), typeof(MemoryBuffer3D<,>), typeof(PageLockedArray1D<>), typeof(PageLockedArrayExtensions), typeof(KernelLoaders),
        typeof(CPUDevice), typeof(CPUAccelerator), typeof(CPUContextExtensions),
    ];

    [Fact]
    public void Language_PublicMembers_AreThoseOfTheList()
    {
        string[] listed = File.ReadAllLines(Path.Combine(AppContext.BaseDirectory, "reference", "fixtures", "kernel-language.txt"));
        HashSet<string> expected = [.. listed.Where(line => line.Contains(" :: ", StringComparison.Ordinal))];
        HashSet<string> actual = [.. Types.SelectMany(SurfacePrinter.Members).Select(SurfacePrinter.Normalise).Where(line => !IsHigherArity(line))];
        string missing = string.Join('\n', expected.Except(actual).Order()), unlisted = string.Join('\n', actual.Except(expected).Order());
        Assert.True(missing.Length == 0 && unlisted.Length == 0, $"missing:\n{missing}\nnot on the list:\n{unlisted}");
    }

    [Fact]
    public void KernelLoaders_EveryArity_HasTheSameMethods()
    {
        var byArity = typeof(KernelLoaders).GetMethods().Where(m => m.IsGenericMethod).GroupBy(m => m.GetParameters()[1].ParameterType.GetGenericArguments().Length
            - (m.GetGenericArguments()[0].Name == "TIndex" ? 1 : 0)).ToDictionary(g => g.Key, g => g.Count());
        Assert.Equal(Enumerable.Range(1, 14), byArity.Keys.Order());
        Assert.All(byArity.Values, count => Assert.Equal(16, count));
    }

    // Loaders and launches exist for 1 to 14 arguments; the list has those of 1 to 3.
    private static bool IsHigherArity(string line) =>
        (line.StartsWith("KernelLoaders", StringComparison.Ordinal) || line.Contains(" Launch", StringComparison.Ordinal)) && line.Contains("T4", StringComparison.Ordinal);
}
