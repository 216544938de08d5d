using OllmNative.Model;
using OllmNative.Model.Cpu;
using OllmNative.Model.Cuda;
using OllmNative.Runtime.Cuda;
using CudaDevice = OllmNative.Model.Cuda.CudaDevice;

namespace OllmNative.Tests.Cuda;

/// <summary>A version is used on a chip only after it has been right there, and a chip that has trouble with one still computes rightly.</summary>
public sealed class DeviceTrustTests
{
    private static readonly TrialPatience Short = new(TimeSpan.FromSeconds(3), TimeSpan.FromSeconds(60));

    [Fact]
    public void Settle_NothingWrong_TakesAllInSilenceAndTheSecondStartTriesNothing()
    {
        string folder = TestData.NewFolder();
        var said = new List<string>();
        using (var gpu = new PtxGpu(null, new KernelCache(folder)))
        {
            Assert.Equal(KernelVersions.None, Settle(gpu, said).Without);
            Assert.NotEqual(0, gpu.Driver.Calls("GraphLaunch"));
            Assert.NotEqual(0, gpu.Driver.Calls("LaunchKernelEx"));
            gpu.Close();
        }
        using (var gpu = new PtxGpu(null, new KernelCache(folder)))
        {
            Assert.Equal(CudaDeviceOptions.For(gpu.Accelerator), Settle(gpu, said) with { Warn = null });
            Assert.Equal((0, 0, 0), (gpu.Accelerator.Launches, gpu.Driver.Calls("MemAlloc"), gpu.Driver.Calls("StreamCreate")));
        }
        Assert.Empty(said);
        // Every version is known of, and another driver's chip is another one.
        using var other = new PtxGpu(new PtxDriver { Version = 13000 }, new KernelCache(folder));
        Assert.All(DeviceVersion.All, version => Assert.False(VersionNotes.Read(other.Accelerator.Notes).IsTried(version)));
    }

    public static TheoryData<string, Trouble, string> Troubles => new()
    {
        { "portable", Trouble.Wrong, "MatMulDotWords_" },
        { "tensor", Trouble.Refused, "MatMulTensor_Forward64" },
        { "tiles", Trouble.Wrong, "MatMulTensorLarge_Forward128" },
        { "head", Trouble.Deadly, "HeadTensor_Totals" },
        { "attention", Trouble.NotLaunched, "AttentionDecode_Head64" },
        { "decode", Trouble.Wrong, "DecodeProducts_Eight" },
        { "wgmma", Trouble.Refused, "MatMulWgmma_ForwardNarrow" },
        { "wgmma", Trouble.Deadly, "MatMulWgmma_ForwardNarrow" },
        { "split", Trouble.Wrong, "SplitSums_Forward" },
        { "wgmma-head", Trouble.Wrong, "HeadWgmma_Gradient" },
        { "wgmma-attention", Trouble.Endless, "AttentionWgmma_Head64" },
        { "steps", Trouble.Refused, "OptionChoice_Forward" },
    };

    [Theory]
    [MemberData(nameof(Troubles))]
    public void Settle_KernelInTrouble_LeavesTheVersionOutOnceAndTheResultsAreRight(string name, Trouble trouble, string kernel)
    {
        DeviceVersion version = Version(name);
        string folder = TestData.NewFolder();
        var said = new List<string>();
        Trouble Of(string entry) => entry.StartsWith(kernel, StringComparison.Ordinal) ? trouble : Trouble.None;
        using (var gpu = new PtxGpu(new PtxDriver { Troubles = Of }, new KernelCache(folder)))
        {
            NoteRight(gpu, version);
            if (trouble is Trouble.Deadly or Trouble.Endless)
            {
                var error = Assert.Throws<OllmException>(() => Settle(gpu, said, trouble == Trouble.Endless ? Short : TrialPatience.Usual));
                foreach (string words in (string[])["PTX interpreter", $"'{name}'", "the next run leaves", version.InPlace]) Assert.Contains(words, error.Message, StringComparison.Ordinal);
                Assert.Empty(said);
                Assert.True(gpu.Accelerator.IsLost);
                gpu.Accelerator.Dispose();
                gpu.Driver.EndAll();
            }
            else
            {
                Assert.Equal(version.Kind, Settle(gpu, said).Without & version.Kind);
                string line = Assert.Single(said);
                foreach (string words in (string[])[$"'{name}'", "PTX interpreter", "12.8", version.InPlace]) Assert.Contains(words, line, StringComparison.Ordinal);
                gpu.Close();
            }
            Assert.NotEqual(0, gpu.Driver.Troubled);
        }
        said.Clear();
        using var next = new PtxGpu(new PtxDriver { Troubles = Of }, new KernelCache(folder));
        CudaDeviceOptions options = Settle(next, said);
        Assert.Equal((0, 0), (next.Accelerator.Launches, said.Count));
        Assert.False(version.IsIn(options));
        // The very operation that was wrong comes out right; what only a device that goes ahead asks for is not asked for.
        using var device = new CudaDevice(next.Accelerator, options with { MeasureProducts = false });
        using var cpu = new CpuDevice(1);
        SelftestResult result = DeviceSelftest.Run((name == "steps" ? version.Cases().Last() : version.Cases().First()).Test, device, cpu, 5);
        Assert.True(result.Passed, $"{result.Operation} ({result.Shape}): {result.MaxError:E1} {result.Failure}");
        Assert.Equal(0, next.Driver.Troubled);
    }

    /// <summary>What is refused is the order of the kernels, not a kernel.</summary>
    [Theory]
    [InlineData("overlap", "LaunchKernelEx")]
    [InlineData("graphs", "GraphInstantiateWithFlags")]
    [InlineData("graphs", "StreamBeginCapture")]
    [InlineData("steps", "MemHostAlloc")]
    public void Settle_CallThatTheDriverRefuses_LeavesTheVersionOut(string name, string call)
    {
        string folder = TestData.NewFolder();
        var said = new List<string>();
        using (var gpu = new PtxGpu(null, new KernelCache(folder)))
        {
            NoteRight(gpu, Version(name));
            gpu.Driver.Fail(call, CuResult.NotSupported);
            Assert.False(Version(name).IsIn(Settle(gpu, said)));
            Assert.Contains($"cu{call}", Assert.Single(said), StringComparison.Ordinal);
            gpu.Close();
        }
        using var next = new PtxGpu(null, new KernelCache(folder));
        Assert.False(Version(name).IsIn(Settle(next, said)));
        Assert.Single(said);
    }

    [Fact]
    public void Settle_MemoryIsShort_IsAnErrorAndNoVerdict()
    {
        using var gpu = new PtxGpu(null, new KernelCache(TestData.NewFolder()));
        DeviceVersion steps = Version("steps");
        NoteRight(gpu, steps);
        gpu.Driver.Fail("MemHostAlloc", CuResult.OutOfMemory);
        Assert.Contains("OUT_OF_MEMORY", Assert.Throws<CudaException>(() => Settle(gpu, [])).Message, StringComparison.Ordinal);
        VersionNotes notes = VersionNotes.Read(gpu.Accelerator.Notes);
        Assert.False(notes.IsTried(steps) || notes.WasTrying(steps));
        gpu.Driver.Fail("MemHostAlloc", CuResult.EccUncorrectable);
        Assert.Throws<CudaException>(() => Settle(gpu, []));
        notes = VersionNotes.Read(gpu.Accelerator.Notes);
        Assert.False(notes.IsTried(steps) || notes.WasTrying(steps));
    }

    [Fact]
    public void Settle_MarkOfAProcessThatEnded_LeavesTheVersionOutUnlessItWasInterrupted()
    {
        using var gpu = new PtxGpu(null, new KernelCache(TestData.NewFolder()));
        DeviceVersion graphs = Version("graphs");
        NoteRight(gpu, graphs);
        VersionNotes notes = VersionNotes.Read(gpu.Accelerator.Notes);
        notes.Mark(graphs);
        Assert.True(VersionNotes.Read(gpu.Accelerator.Notes).WasTrying(graphs));
        notes.Unmark();
        Assert.False(VersionNotes.Read(gpu.Accelerator.Notes).WasTrying(graphs));
        // After an interruption nothing is marked any more, however the process ends.
        notes.Mark(graphs);
        Assert.False(VersionNotes.Read(gpu.Accelerator.Notes).WasTrying(graphs));

        VersionNotes.Read(gpu.Accelerator.Notes).Mark(graphs);
        var said = new List<string>();
        Assert.False(Settle(gpu, said).Graphs);
        Assert.Contains("the process that tried it ended", Assert.Single(said), StringComparison.Ordinal);
        Assert.Equal(0, gpu.Accelerator.Launches);
        Assert.False(Settle(gpu, said).Graphs);
        Assert.Single(said);
    }

    [Fact]
    public void Settle_NoteThatIsDamaged_IsMadeAgain()
    {
        string folder = TestData.NewFolder();
        using (var gpu = new PtxGpu(null, new KernelCache(folder)))
        {
            NoteRight(gpu, null);
            Settle(gpu, []);
            Assert.Equal(0, gpu.Accelerator.Launches);
        }
        string file = Assert.Single(Directory.GetFiles(folder, "*.note"));
        byte[] bytes = File.ReadAllBytes(file);
        bytes[^1] ^= 1;
        File.WriteAllBytes(file, bytes);
        using var next = new PtxGpu(null, new KernelCache(folder));
        Assert.All(DeviceVersion.All, version => Assert.False(VersionNotes.Read(next.Accelerator.Notes).IsTried(version)));
        next.Accelerator.Notes.Remember(VersionNotes.Subject, "no such version\tright\nwgmma\ngraphs\tright");
        Assert.Equal(["graphs"], DeviceVersion.All.Where(VersionNotes.Read(next.Accelerator.Notes).IsTried).Select(version => version.Name));
    }

    [Fact]
    public async Task Settle_TwoAtOnce_OneTriesAndTheOtherWaits()
    {
        string folder = TestData.NewFolder();
        using PtxGpu first = new(null, new KernelCache(folder)), second = new(null, new KernelCache(folder));
        NoteRight(first, Version("steps"));
        var said = new List<string>();
        using (first.Accelerator.Notes.HoldOthers(TimeSpan.FromSeconds(9)))
        {
            // As a process in the middle of a trial has left its note.
            VersionNotes.Read(first.Accelerator.Notes).Mark(Version("steps"));
            Task<CudaDeviceOptions> waits = Task.Run(() => Settle(second, said));
            Assert.NotSame(waits, await Task.WhenAny(waits, Task.Delay(200)));
            VersionNotes.Read(first.Accelerator.Notes).Decide(Version("steps"), null);
        }
        CudaDeviceOptions[] both = await Task.WhenAll(Task.Run(() => Settle(first, said)), Task.Run(() => Settle(second, said)));
        Assert.All(both, options => Assert.Equal(KernelVersions.None, options.Without));
        Assert.Equal((0, 0, 0), (first.Accelerator.Launches, second.Accelerator.Launches, said.Count));
    }

    [Fact]
    public void Settle_WithoutByHand_LeavesThemOutAndNotesNothing()
    {
        using var gpu = new PtxGpu(null, new KernelCache(TestData.NewFolder()));
        NoteRight(gpu, Version("wgmma"));
        CudaDeviceOptions options = DeviceTrust.Settle(gpu.Accelerator, null, " wgmma, graphs,,overlap", TrialPatience.Usual);
        Assert.Equal((KernelVersions.Wgmma | KernelVersions.Graphs | KernelVersions.Overlap, false, true), (options.Without, options.Graphs, options.Hopper));
        Assert.Equal(0, gpu.Accelerator.Launches);
        Assert.False(VersionNotes.Read(gpu.Accelerator.Notes).IsTried(Version("wgmma")));
        string message = Assert.Throws<OllmException>(() => DeviceTrust.Settle(gpu.Accelerator, null, "graphs,wgmmma", TrialPatience.Usual)).Message;
        foreach (string words in (string[])["OLLM_CUDA_WITHOUT", "'wgmmma'", "wgmma-attention", "overlap"]) Assert.Contains(words, message, StringComparison.Ordinal);
    }

    [Fact]
    public void Settle_OlderChip_HasNothingOfHoppers()
    {
        using var gpu = new PtxGpu(new PtxDriver { ComputeMajor = 8, ComputeMinor = 6 }, new KernelCache(TestData.NewFolder()));
        CudaDeviceOptions options = CudaDeviceOptions.For(gpu.Accelerator);
        Assert.Equal(["portable", "tensor", "tiles", "head", "attention", "decode", "steps", "graphs"], DeviceVersion.All.Where(version => version.IsIn(options)).Select(version => version.Name));
    }

    private static CudaDeviceOptions Settle(PtxGpu gpu, List<string> said, TrialPatience? patience = null) =>
        DeviceTrust.Settle(gpu.Accelerator, said.Add, null, patience ?? TrialPatience.Usual);

    private static DeviceVersion Version(string name) => DeviceVersion.All.Single(version => version.Name == name);

    /// <summary>All others have been tried before, so that only the one in question is.</summary>
    private static void NoteRight(PtxGpu gpu, DeviceVersion? butFor)
    {
        VersionNotes notes = VersionNotes.Read(gpu.Accelerator.Notes);
        foreach (DeviceVersion version in DeviceVersion.All)
            if (version != butFor) notes.Decide(version, null);
    }
}
