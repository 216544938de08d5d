using System.Diagnostics;
using System.Globalization;
using System.Text;
using OllmNative.Kernels;
using OllmNative.Runtime.Compiler.Ptx;
using OllmNative.Runtime.Cuda;
using OllmNative.Runtime.Language;

namespace OllmNative.Tests.Cuda;

/// <summary>The disk cache of compiled kernels.</summary>
public sealed class KernelCacheTests
{
    private static KernelLoadCounts LoadTwo(string? folder, PtxDriver? driver = null)
    {
        using var gpu = new PtxGpu(driver, new KernelCache(folder));
        using var values = gpu.Accelerator.Allocate1D([1f, 2f, -3f]);
        gpu.Accelerator.LoadStreamKernel<ArrayView<float>, ArrayView<float>, int>(ResidualAdd.Backward)((1, 32), values.View, values.View, 3);
        gpu.Accelerator.LoadStreamKernel<ArrayView<float>, ArrayView<float>, int>(Softmax.Forward)((1, GroupReduce.GroupSize), values.View, values.View, 1);
        Assert.Equal([1f, 4f, -6f], values.GetAsArray1D());
        return gpu.Accelerator.KernelLoads;
    }

    [Fact]
    public void Load_SecondStart_NeitherCompilesNorAssembles()
    {
        string folder = TestData.NewFolder();
        Assert.Equal(new KernelLoadCounts(2, 0, 2, 0), LoadTwo(folder));
        Assert.Equal(new KernelLoadCounts(0, 2, 0, 2), LoadTwo(folder));
    }

    [Fact]
    public void Load_OtherDriverOrGpu_MakesItsOwnMachineCode()
    {
        string folder = TestData.NewFolder();
        LoadTwo(folder);
        Assert.Equal(new KernelLoadCounts(0, 2, 2, 0), LoadTwo(folder, new PtxDriver { Version = 12090 }));
        Assert.Equal(new KernelLoadCounts(2, 0, 2, 0), LoadTwo(folder, new PtxDriver { ComputeMajor = 8 }));
        Assert.Equal(new KernelLoadCounts(0, 2, 0, 2), LoadTwo(folder, new PtxDriver { ComputeMajor = 8 }));
    }

    [Fact]
    public void Load_DriverWithoutLinker_KeepsTheTextOnly()
    {
        string folder = TestData.NewFolder();
        Assert.Equal(new KernelLoadCounts(2, 0, 2, 0), LoadTwo(folder, new PtxDriver { CanLink = false }));
        Assert.Equal(new KernelLoadCounts(0, 2, 2, 0), LoadTwo(folder, new PtxDriver { CanLink = false }));
        Assert.Equal(2, Directory.GetFiles(folder).Length);
    }

    [Fact]
    public void Load_CacheOff_WritesNothing()
    {
        Assert.Equal(new KernelLoadCounts(2, 0, 2, 0), LoadTwo(null));
        Assert.False(new KernelCache(null).IsEnabled);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(7)]
    [InlineData(60)]
    [InlineData(-1)]
    public void Load_DamagedEntries_AreMadeAnew(int keep)
    {
        string folder = TestData.NewFolder();
        LoadTwo(folder);
        foreach (string file in Directory.GetFiles(folder))
        {
            byte[] bytes = File.ReadAllBytes(file);
            if (keep < 0) bytes[^3] ^= 1;
            File.WriteAllBytes(file, keep < 0 ? bytes : bytes[..keep]);
        }
        Assert.Equal(new KernelLoadCounts(2, 0, 2, 0), LoadTwo(folder));
        Assert.Equal(new KernelLoadCounts(0, 2, 0, 2), LoadTwo(folder));
    }

    [Fact]
    public void Load_MachineCodeThatTheDriverRefuses_IsMadeAnew()
    {
        string folder = TestData.NewFolder();
        LoadTwo(folder);
        var cache = new KernelCache(folder);
        foreach (string file in Directory.GetFiles(folder, "*.cubin")) cache.Write(Path.GetFileNameWithoutExtension(file), KernelCache.Image, "not machine code"u8);
        Assert.Equal(new KernelLoadCounts(0, 2, 2, 0), LoadTwo(folder));
        Assert.Equal(new KernelLoadCounts(0, 2, 0, 2), LoadTwo(folder));
    }

    [Fact]
    public void Load_FolderThatCannotBe_WorksWithoutCache()
    {
        string file = Path.Combine(TestData.NewFolder(), "file");
        File.WriteAllText(file, "in the way");
        Assert.Equal(new KernelLoadCounts(2, 0, 2, 0), LoadTwo(Path.Combine(file, "cache")));
    }

    [Fact]
    public void Write_MoreThanTheLimit_DeletesTheOldest()
    {
        string folder = TestData.NewFolder();
        var cache = new KernelCache(folder, maxBytes: 10_000);
        byte[] contents = new byte[1000];
        for (int i = 0; i < 50; i++)
        {
            cache.Write($"{i:x4}", KernelCache.Image, contents);
            File.SetLastWriteTimeUtc(Path.Combine(folder, $"{i:x4}.cubin"), DateTime.UtcNow.AddSeconds(i - 100));
        }
        long total = new DirectoryInfo(folder).EnumerateFiles().Sum(file => file.Length);
        Assert.InRange(total, 5_000, 12_500);
        Assert.NotNull(cache.Read($"{49:x4}", KernelCache.Image));
        Assert.Null(cache.Read($"{0:x4}", KernelCache.Image));
    }

    [Fact]
    public void DefaultFolder_Environment_DecidesInOrder()
    {
        static string? Folder(params (string Name, string Value)[] variables) =>
            KernelCache.DefaultFolder(name => variables.Where(v => v.Name == name).Select(v => v.Value).FirstOrDefault());

        Assert.Null(Folder((KernelCache.Variable, "off"), ("HOME", "/home/a")));
        Assert.Equal(Path.GetFullPath("/somewhere"), Folder((KernelCache.Variable, "/somewhere"), ("XDG_CACHE_HOME", "/x")));
        if (OperatingSystem.IsWindows()) return;
        Assert.Equal("/x/ollm/kernels", Folder(("XDG_CACHE_HOME", "/x"), ("HOME", "/home/a")));
        Assert.Equal("/home/a/.cache/ollm/kernels", Folder(("XDG_CACHE_HOME", "relative"), ("HOME", "/home/a")));
        Assert.Null(Folder());
    }

    [Fact]
    public void Cache_TwoProcessesAtOnce_NeitherSeesAnythingWrong()
    {
        string folder = TestData.NewFolder();
        Process[] processes = [.. Enumerable.Range(0, 2).Select(_ => Start(folder))];
        foreach (Process process in processes)
        {
            using (process)
            {
                string errors = process.StandardError.ReadToEnd();
                Assert.True(process.WaitForExit(60_000));
                Assert.True(process.ExitCode == 0, $"exit code {process.ExitCode}: {errors}");
            }
        }
        Assert.Empty(Directory.GetFiles(folder, "*.tmp"));
        var cache = new KernelCache(folder);
        Assert.All(Directory.GetFiles(folder), file => Assert.NotNull(cache.Read(Path.GetFileNameWithoutExtension(file), Path.GetExtension(file))));
        // The limit and the eighth of it by which it may be passed, for each process.
        Assert.InRange(new DirectoryInfo(folder).EnumerateFiles().Sum(file => file.Length), 1, KernelCacheProcess.MaxBytes * 5 / 4 + 10_000);
    }

    private static Process Start(string folder)
    {
        string host = Environment.ProcessPath is { } path && Path.GetFileNameWithoutExtension(path) == "dotnet" ? path : "dotnet";
        var start = new ProcessStartInfo(host, ["exec", typeof(KernelCacheTests).Assembly.Location, "kernel-cache", folder, 12.ToString(CultureInfo.InvariantCulture)])
        {
            RedirectStandardError = true,
        };
        return Process.Start(start)!;
    }

    [Fact]
    public void Key_AnythingThatMatters_ChangesIt()
    {
        var forward = new KernelEntry(((Action<ArrayView<float>, ArrayView<float>, ArrayView<float>, int>)ResidualAdd.Forward).Method, IndexType.KernelConfig, 0, KernelSpecialization.Empty);
        var other = forward with { Method = ((Action<ArrayView<float>, ArrayView<float>, ArrayView<float>, int>)SwiGlu.Forward).Method };
        var options = new OllmNative.Runtime.Compiler.KernelCompileOptions();
        string[] keys =
        [
            KernelKey.OfMethod(forward, options, false),
            KernelKey.OfMethod(forward, options, true),
            KernelKey.OfMethod(other, options, false),
            KernelKey.OfMethod(forward, options with { Target = PtxTarget.Sm90 }, false),
            KernelKey.OfMethod(forward, options with { FuseMultiplyAdd = false }, false),
            KernelKey.OfMethod(forward, options with { MaxThreads = 128 }, false),
            KernelKey.OfMethod(forward, options with { MaxThreads = 128, MinGroups = 2 }, false),
            KernelKey.OfMethod(forward, options with { Specializations = new Dictionary<int, object> { [3] = SpecializedValue.New(1) } }, false),
            KernelKey.OfMethod(forward, options with { Specializations = new Dictionary<int, object> { [3] = SpecializedValue.New(2) } }, false),
            KernelKey.OfMethod(forward, options with { Specializations = new Dictionary<int, object> { [3] = SpecializedValue.New(1f) } }, false),
            KernelKey.OfMethod(forward with { IndexType = IndexType.Index1D }, options, false),
        ];
        Assert.Equal(keys.Length, keys.Distinct().Count());
        Assert.Equal(keys[0], KernelKey.OfMethod(forward, options, false));
    }

    [Theory]
    [InlineData(7, 5, 12080, PtxTarget.Sm75)]
    [InlineData(8, 0, 11040, PtxTarget.Sm80)]
    [InlineData(8, 7, 12080, PtxTarget.Sm86)]
    [InlineData(8, 9, 11080, PtxTarget.Sm89)]
    [InlineData(8, 9, 11070, PtxTarget.Sm86)]
    [InlineData(9, 0, 12080, PtxTarget.Sm90)]
    [InlineData(10, 0, 12080, PtxTarget.Sm90)]
    [InlineData(12, 0, 13000, PtxTarget.Sm90)]
    public void Target_OfAGpu_IsTheNewestThatItAndTheDriverTake(int major, int minor, int driver, PtxTarget expected)
    {
        Assert.Equal(expected, CudaTarget.For(major, minor, driver));
        Assert.Equal(major == 9, CudaTarget.HasHopperExtensions(major, minor, 12080));
        Assert.False(CudaTarget.HasHopperExtensions(9, 0, 11080));
    }

    [Fact]
    public void Load_PtxThatTheDriverRefuses_HasItsLogInTheMessage()
    {
        using var gpu = new PtxGpu();
        var modules = new ModuleLoader(gpu.Accelerator, new KernelCache(null));
        gpu.Accelerator.Bind();
        string ptx = ".version 7.4\n.target sm_80\n.address_size 64\n.visible .entry Bad(\n)\n{\n    no semicolon\n}\n";
        var error = Assert.Throws<CudaException>(() => modules.Load("Some.Kernel", ptx));
        Assert.StartsWith("cuModuleLoadDataEx: CUDA_ERROR_INVALID_PTX: kernel Some.Kernel", error.Message, StringComparison.Ordinal);
        Assert.Contains("ptxas error: no semicolon", error.Message, StringComparison.Ordinal);
        error = Assert.Throws<CudaException>(() => modules.Load("Some.Kernel", ptx.Replace("7.4", "9.9", StringComparison.Ordinal)));
        Assert.Contains("the driver is too old for its PTX", error.Message, StringComparison.Ordinal);
    }
}
