using OllmNative.Runtime.Cuda;
using OllmNative.Runtime.Extensions;
using OllmNative.Runtime.Language;
using OllmNative.Tests.Cuda;

namespace OllmNative.Tests.Ptx;

/// <summary>Launches that may overlap: what the rule allows passes, what it forbids is found.</summary>
public sealed class OverlapTests
{
    [OverlapsPredecessor]
    private static void Fill(ArrayView<int> output, int value)
    {
        GridDependency.LaunchDependents();
        GridDependency.Wait();
        output[Grid.GlobalIndex.X] = value;
    }

    private static void FillAlone(ArrayView<int> output, int value) => output[Grid.GlobalIndex.X] = value;

    [OverlapsPredecessor]
    private static void AddAfterWait(ArrayView<int> weights, ArrayView<int> values)
    {
        int weight = weights[Grid.GlobalIndex.X];
        GridDependency.LaunchDependents();
        GridDependency.Wait();
        values[Grid.GlobalIndex.X] += weight;
    }

    [OverlapsPredecessor]
    private static void AddBeforeWait(ArrayView<int> weights, ArrayView<int> values)
    {
        int value = values[Grid.GlobalIndex.X];
        GridDependency.Wait();
        values[Grid.GlobalIndex.X] = value + weights[Grid.GlobalIndex.X];
    }

    [OverlapsPredecessor]
    private static void AddWithoutWait(ArrayView<int> weights, ArrayView<int> values)
    {
        GridDependency.LaunchDependents();
        if (weights[Grid.GlobalIndex.X] < 0) GridDependency.Wait();
    }

    [OverlapsPredecessor]
    private static void CopyAfterWait(ArrayView<int> from, ArrayView<int> to)
    {
        GridDependency.LaunchDependents();
        GridDependency.Wait();
        to[Grid.GlobalIndex.X] = from[Grid.GlobalIndex.X];
    }

    [OverlapsPredecessor]
    private static void ReadConstant(ArrayView<int> from, ArrayView<int> to)
    {
        GridDependency.Wait();
        to[Grid.GlobalIndex.X] = (int)Vector16.LoadWordsOnce(from, Grid.GlobalIndex.X / 4 * 4).X;
    }

    private const int Threads = 64, Groups = 5, Count = Threads * Groups;

    private static (string[] Findings, int[] Values) Run(Action<CudaAccelerator, ArrayView<int>, ArrayView<int>> launches, bool recorded = false)
    {
        using var gpu = new PtxGpu();
        gpu.Driver.Adversary = new PtxAdversary(2, PtxMoment.Random);
        using var weights = gpu.Accelerator.Allocate1D(Enumerable.Range(0, Count).ToArray());
        using var values = gpu.Accelerator.Allocate1D(new int[Count]);
        if (recorded)
        {
            using KernelGraph graph = gpu.Accelerator.DefaultStream.CaptureGraph(() => launches(gpu.Accelerator, weights.View, values.View));
            graph.Launch();
            gpu.Accelerator.Synchronize();
        }
        else
        {
            launches(gpu.Accelerator, weights.View, values.View);
        }
        int[] result = values.GetAsArray1D();
        return ([.. gpu.Driver.Findings], result);
    }

    private static void Start(CudaAccelerator gpu, Action<ArrayView<int>, int> kernel, ArrayView<int> view, int value) =>
        gpu.LoadStreamKernel(kernel)((Groups, Threads), view, value);

    private static void Start(CudaAccelerator gpu, Action<ArrayView<int>, ArrayView<int>> kernel, ArrayView<int> one, ArrayView<int> two) =>
        gpu.LoadStreamKernel(kernel)((Groups, Threads), one, two);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Overlap_WeightsBeforeTheWait_ResultsBehindIt_IsRight(bool recorded)
    {
        (string[] findings, int[] values) = Run((gpu, weights, values) =>
        {
            Start(gpu, Fill, values, 100);
            for (int i = 0; i < 3; i++) Start(gpu, AddAfterWait, weights, values);
        }, recorded);
        Assert.Empty(findings);
        Assert.Equal(Enumerable.Range(0, Count).Select(i => 100 + 3 * i), values);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Overlap_ResultsReadBeforeTheWait_IsFound(bool recorded)
    {
        (string[] findings, _) = Run((gpu, weights, values) =>
        {
            Start(gpu, Fill, values, 100);
            Start(gpu, AddBeforeWait, weights, values);
        }, recorded);
        Assert.Contains("race", Assert.Single(findings), StringComparison.Ordinal);
    }

    /// <summary>The launch before last need not be over either: each of them let the next one start before it waited itself.</summary>
    [Fact]
    public void Overlap_WeightsOfTheLaunchBeforeLast_AreFound()
    {
        (string[] findings, _) = Run((gpu, weights, values) =>
        {
            Start(gpu, Fill, weights, 7);
            Start(gpu, CopyAfterWait, values, values.SubView(0, Count));
            Start(gpu, AddAfterWait, weights, values);
        });
        Assert.Contains("race", Assert.Single(findings), StringComparison.Ordinal);
    }

    /// <summary>A kernel that overlaps nothing is not overlapped: the weights that it makes are there, also for the launch after next.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Overlap_WeightsOfAPlainLaunch_AreThereBeforeTheWait(bool recorded)
    {
        (string[] findings, int[] values) = Run((gpu, weights, values) =>
        {
            Start(gpu, Fill, values, 1);
            Start(gpu, FillAlone, weights, 7);
            for (int i = 0; i < 2; i++) Start(gpu, AddAfterWait, weights, values);
        }, recorded);
        Assert.Empty(findings);
        Assert.All(values, value => Assert.Equal(15, value));
    }

    [Fact]
    public void Overlap_ALaunchThatNeverWaits_IsFound()
    {
        (string[] findings, _) = Run((gpu, weights, values) =>
        {
            Start(gpu, Fill, values, 7);
            Start(gpu, AddWithoutWait, weights, values);
            Start(gpu, AddAfterWait, weights, values);
        });
        Assert.Contains("never waits", Assert.Single(findings), StringComparison.Ordinal);
    }

    /// <summary>ld.global.nc may be moved ahead of the wait, and may find what a cache held before: not for what the predecessor wrote.</summary>
    [Fact]
    public void Overlap_ResultsReadAsConstants_AreFound()
    {
        (string[] findings, _) = Run((gpu, weights, values) =>
        {
            Start(gpu, Fill, weights, 7);
            Start(gpu, ReadConstant, weights, values);
        });
        Assert.Contains("ld.global.nc", Assert.Single(findings), StringComparison.Ordinal);
    }

    [Fact]
    public void Overlap_NoneAskedFor_ResultsAreThere()
    {
        (string[] findings, int[] values) = Run((gpu, weights, values) =>
        {
            Start(gpu, Fill, values, 1);
            Start(gpu, Fill, values, 7);
        });
        Assert.Empty(findings);
        Assert.All(values, value => Assert.Equal(7, value));
    }
}
