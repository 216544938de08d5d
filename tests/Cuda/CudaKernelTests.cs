using OllmNative.Cli.Trials;
using OllmNative.Kernels;
using OllmNative.Model;
using OllmNative.Runtime.Cuda;
using OllmNative.Runtime.Language;

namespace OllmNative.Tests.Cuda;

/// <summary>
/// Kernels from the call of a loader to the results in host memory: compiled, loaded, marshalled and launched by the host layer, executed as
/// PTX by the driver without a GPU.
/// </summary>
public sealed class CudaKernelTests
{
    public static TheoryData<string> Plans => [.. KernelTrials.All.Select(plan => plan.Kernel)];

    [Theory]
    [MemberData(nameof(Plans))]
    public void Kernel_RandomShape_ComputesItsContract(string kernel)
    {
        KernelTrialPlan plan = KernelTrials.All.Single(plan => plan.Kernel == kernel);
        var random = new Random(kernel.Length);
        using var gpu = new PtxGpu();
        for (int i = 0; i < 2; i++)
        {
            using KernelTrial trial = plan.On(gpu.Accelerator, TrialSize.Random(random) with { Columns = 1 + random.Next(70), Depth = 1 + random.Next(20) }, i);
            Assert.InRange(trial.MaxError(), 0, plan.Tolerance);
            Assert.True(trial.Bytes > 0);
        }
        Assert.True(gpu.Driver.Calls("LaunchKernel") + gpu.Driver.Calls("LaunchKernelEx") >= 2);
        gpu.Close();
    }

    [Fact]
    public void MatMulWgmma_BeforeHopper_IsRefusedByName()
    {
        using var ampere = new PtxGpu(new PtxDriver { ComputeMajor = 8 });
        var error = Assert.ThrowsAny<Exception>(() => KernelTrials.All.First(plan => plan.NeedsHopper).On(ampere.Accelerator, new TrialSize(1, 2, 8), 1));
        Assert.Contains("sm_90", error.Message, StringComparison.Ordinal);
        Assert.All(KernelTrials.All, plan => Assert.Equal(!plan.NeedsHopper, plan.RunsOn(ampere.Accelerator)));
    }

    [Fact]
    public void Plans_All_NameKernelsOfTheCatalog() => Assert.All(KernelTrials.All, plan => Assert.NotNull(KernelCatalog.Get(plan.Kernel)));

    /// <summary>No kernel is without a proof on a chip: a trial, or an operation of the self-test that does launch it.</summary>
    [Fact]
    public void Catalog_EveryKernel_HasATrialOrAnOperationThatLaunchesIt()
    {
        var problems = new List<string>();
        var launched = new Dictionary<(string, bool), HashSet<string>>();
        string[] tried = [.. KernelTrials.All.Select(plan => plan.Kernel)];
        foreach (KernelDescription kernel in KernelCatalog.All.Where(kernel => !tried.Contains(kernel.Name)))
        {
            if (!ThroughOperations.All.TryGetValue(kernel.Name, out (string Operation, bool TensorCores) by)) problems.Add($"{kernel.Name}: neither");
            else if (DeviceSelftest.Cases.All(test => test.Operation != by.Operation)) problems.Add($"{kernel.Name}: no operation {by.Operation}");
            else if (!Launched(launched, by.Operation, by.TensorCores).Contains(kernel.Name)) problems.Add($"{kernel.Name}: not by {by.Operation}");
        }
        problems.AddRange(ThroughOperations.All.Keys.Where(name => tried.Contains(name) || KernelCatalog.Get(name) is null).Select(name => $"{name}: tried, or no kernel"));
        Assert.True(problems.Count == 0, string.Join("\n", problems));
    }

    /// <summary>The kernels that a few runs of an operation launch, with other shapes; nothing is computed.</summary>
    private static HashSet<string> Launched(Dictionary<(string, bool), HashSet<string>> known, string operation, bool tensorCores)
    {
        if (known.TryGetValue((operation, tensorCores), out HashSet<string>? names)) return names;
        SelftestCase test = DeviceSelftest.Cases.First(test => test.Operation == operation);
        using var gpu = new PtxGpu();
        using var device = new OllmNative.Model.Cuda.CudaDevice(gpu.Accelerator, new() { TensorCores = tensorCores, Bf16Parameters = tensorCores, HeadWorkspace = 1024 });
        gpu.Driver.IgnoresLaunches = true;
        for (int seed = 0; seed < 6; seed++)
        {
            using var context = new SelftestContext(device, seed);
            test.Run(context);
        }
        return known[(operation, tensorCores)] = [.. KernelCatalog.All.Where(kernel => gpu.Driver.Launched.Contains($"{kernel.Method.DeclaringType!.Name}_{kernel.Method.Name}")).Select(kernel => kernel.Name)];
    }

    private struct Inner
    {
        public byte Small;
        public double Large;
    }

    private struct Outer
    {
        public short First;
        public Inner Inside;
        public ArrayView<float> View;
        public bool Flag;
        public int Last;
    }

    private static void WriteFields(ArrayView<double> output, Outer values, byte small, ArrayView1D<int, Stride1D.General> strided)
    {
        output[0] = values.First;
        output[1] = values.Inside.Small;
        output[2] = values.Inside.Large;
        output[3] = values.View[1];
        output[4] = values.Flag ? 1 : 0;
        output[5] = values.Last;
        output[6] = small;
        output[7] = strided[new Index1D(2)];
        output[8] = values.View.Length;
    }

    [Fact]
    public void Launch_StructsWithViewsInside_ArriveFieldByField()
    {
        using var gpu = new PtxGpu();
        using var output = gpu.Accelerator.Allocate1D<double>(9);
        using var floats = gpu.Accelerator.Allocate1D([1f, 2.5f, 3f]);
        using var ints = gpu.Accelerator.Allocate1D([10, 11, 12, 13, 14, 15]);
        var kernel = gpu.Accelerator.LoadStreamKernel<ArrayView<double>, Outer, byte, ArrayView1D<int, Stride1D.General>>(WriteFields);
        var values = new Outer { First = -3, Inside = new Inner { Small = 200, Large = 0.125 }, View = floats.View, Flag = true, Last = int.MinValue };
        kernel((1, 1), output.View, values, 77, new ArrayView1D<int, Stride1D.General>(ints.View.BaseView, new LongIndex1D(3), new Stride1D.General(new Index1D(2))));
        Assert.Equal([-3, 200, 0.125, 2.5, 1, int.MinValue, 77, 14, 3], output.GetAsArray1D());
    }

    private static void Fill1D(Index1D index, ArrayView<int> output) => output[index] = index.X * 3 + 1;

    private static void Fill2D(Index2D index, ArrayView2D<int, Stride2D.DenseX> output) => output[index] = index.X * 1000 + index.Y;

    private static void Fill3D(Index3D index, ArrayView<int> output, int width, int height) =>
        output[(index.Z * height + index.Y) * width + index.X] = index.X + 100 * index.Y + 10_000 * index.Z;

    private static void FillLong(LongIndex1D index, ArrayView<long> output) => output[index] = index.X * index.X;

    [Fact]
    public void Launch_ImplicitIndices_CoverTheExtentAndNoMore()
    {
        using var gpu = new PtxGpu();
        using var one = gpu.Accelerator.Allocate1D(new int[303]);
        gpu.Accelerator.LoadAutoGroupedStreamKernel<Index1D, ArrayView<int>>(Fill1D)(new Index1D(300), one.View);
        Assert.Equal(Enumerable.Range(0, 303).Select(i => i < 300 ? i * 3 + 1 : 0), one.GetAsArray1D());

        using var two = gpu.Accelerator.Allocate2DDenseX<int>(new LongIndex2D(35, 11));
        gpu.Accelerator.LoadAutoGroupedStreamKernel<Index2D, ArrayView2D<int, Stride2D.DenseX>>(Fill2D)(new Index2D(35, 11), two.View);
        Assert.Equal(Enumerable.Range(0, 35 * 11).Select(i => i % 35 * 1000 + i / 35), two.AsContiguous().GetAsArray());

        using var three = gpu.Accelerator.Allocate1D<int>(5 * 3 * 2);
        gpu.Accelerator.LoadImplicitlyGroupedStreamKernel<Index3D, ArrayView<int>, int, int>(Fill3D, 64)(new Index3D(5, 3, 2), three.View, 5, 3);
        Assert.Equal(Enumerable.Range(0, 30).Select(i => i % 5 + 100 * (i / 5 % 3) + 10_000 * (i / 15)), three.GetAsArray1D());

        using var longs = gpu.Accelerator.Allocate1D<long>(70);
        gpu.Accelerator.LoadAutoGroupedStreamKernel<LongIndex1D, ArrayView<long>>(FillLong)(new LongIndex1D(70), longs.View);
        Assert.Equal(Enumerable.Range(0, 70).Select(i => (long)i * i), longs.GetAsArray1D());
    }

    private static void Scale(ArrayView<float> values, SpecializedValue<int> times, float by, SpecializedValue<float> plus)
    {
        float value = values[Group.IdxX];
        for (int i = 0; i < times; i++) value = value * by + plus;
        values[Group.IdxX] = value;
    }

    [Fact]
    public void Launch_SpecializedValues_MakesOneVersionForEach()
    {
        using var gpu = new PtxGpu();
        using var values = gpu.Accelerator.Allocate1D([1f, 2f]);
        var kernel = gpu.Accelerator.LoadStreamKernel<ArrayView<float>, SpecializedValue<int>, float, SpecializedValue<float>>(Scale);
        Assert.Equal(0, gpu.Driver.Calls("ModuleLoadDataEx"));
        kernel((1, 2), values.View, SpecializedValue.New(2), 3f, SpecializedValue.New(0.5f));
        Assert.Equal([11f, 20f], values.GetAsArray1D());
        kernel((1, 2), values.View, SpecializedValue.New(2), 1f, SpecializedValue.New(0.5f));
        Assert.Equal([12f, 21f], values.GetAsArray1D());
        Assert.Equal(1, gpu.Driver.Calls("ModuleLoadDataEx"));
        kernel((1, 2), values.View, SpecializedValue.New(1), 1f, SpecializedValue.New(0.25f));
        Assert.Equal([12.25f, 21.25f], values.GetAsArray1D());
        Assert.Equal(2, gpu.Driver.Calls("ModuleLoadDataEx"));
        gpu.Close();
    }

    private static void Reverse(ArrayView<int> values)
    {
        ArrayView<int> copy = SharedMemory.GetDynamic<int>();
        copy[Group.IdxX] = values[Group.IdxX];
        Group.Barrier();
        values[Group.IdxX] = copy[Group.DimX - 1 - Group.IdxX];
    }

    [Theory]
    [InlineData(64, 0)]
    [InlineData(50_000, 1)]
    public void Launch_DynamicSharedMemory_AsksForWhatIsAbove48Kilobytes(int bytes, int granted)
    {
        using var gpu = new PtxGpu();
        using var values = gpu.Accelerator.Allocate1D(Enumerable.Range(0, 16).ToArray());
        var kernel = gpu.Accelerator.LoadStreamKernel<ArrayView<int>>(Reverse);
        var config = new KernelConfig(1, 16, SharedMemoryConfig.RequestDynamic<byte>(bytes));
        kernel(config, values.View);
        kernel(config, values.View);
        kernel(config, values.View);
        Assert.Equal(Enumerable.Range(0, 16).Reverse(), values.GetAsArray1D());
        Assert.Equal(granted, gpu.Driver.Calls("FuncSetAttribute"));
    }

    [Fact]
    public void Launch_WarmedUp_AllocatesNothing()
    {
        using var gpu = new PtxGpu();
        using var values = gpu.Accelerator.Allocate1D(new float[64]);
        Kernel kernel = gpu.Accelerator.LoadKernelCore(new KernelEntry(((Action<ArrayView<float>, ArrayView<float>, int>)SwiGlu.Silu).Method, IndexType.KernelConfig, 0, KernelSpecialization.Empty));
        var launch = new Arguments<ArrayView<float>, ArrayView<float>, int>(SwiGlu.Silu, values.View, values.View, 64);
        // What is left is what the host layer allocates.
        gpu.Driver.IgnoresLaunches = true;
        for (int i = 0; i < 100; i++) kernel.Launch(gpu.Accelerator.DefaultStream, (1, 64), launch);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 1000; i++) kernel.Launch(gpu.Accelerator.DefaultStream, (1, 64), launch);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }
}
