using OllmNative.Model;
using OllmNative.Model.Cuda;
using OllmNative.Tests.Cuda;
using OllmNative.Training;
using Xunit.Abstractions;

namespace OllmNative.Tests;

/// <summary>
/// Training beside the host, on the driver without a GPU: its streams do their work as late as they may, so whatever is not ordered by the
/// queue or an event shows in the numbers.
/// </summary>
public sealed class CudaTrainingTests : IDisposable
{
    private readonly TinyBackbone _tiny = new();
    private readonly TokenRow[] _rows;

    private readonly ITestOutputHelper _output;

    public CudaTrainingTests(ITestOutputHelper output) => (_output, _rows) = (output, [.. Enumerable.Range(0, 6).Select(i => new TokenRow(_tiny.Tokens(4 + i % 3), i % 3, i + 1))]);

    public void Dispose() => _tiny.Dispose();

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Run_AheadOfTheHost_GivesTheBitsOfStepsThatAreWaitedFor(bool cached)
    {
        (float[] ahead, TrainMetrics[] lines, _) = Run(6, runsAhead: true, cached);
        (float[] waited, TrainMetrics[] plain, _) = Run(6, runsAhead: false, cached);
        Assert.Equal(waited, ahead);
        Assert.Equal(plain.Select(Numbers), lines.Select(Numbers));
    }

    [Fact]
    public void Run_AheadOfTheHost_WaitsOnceForEachStepAndOnlyForTheOneBefore()
    {
        // Rows of one length: memory between launches has grown to its size after a few steps.
        for (int i = 0; i < _rows.Length; i++) _rows[i] = new TokenRow(_tiny.Tokens(5), 2, i + 1);
        (_, TrainMetrics[] lines, Counts[] at) = Run(10, runsAhead: true, cached: false);
        Assert.Equal(Enumerable.Range(1, 10), lines.Select(line => line.Step));
        for (int i = 6; i < 9; i++)
        {
            // Between two reports: the launches of a whole step, one wait, which is for the report, and nothing allocated.
            Assert.Equal((1, 0), (at[i].Waits - at[i - 1].Waits, at[i].Allocations - at[i - 1].Allocations));
            Assert.Equal(at[6].Launches - at[5].Launches, at[i].Launches - at[i - 1].Launches);
        }
        // The report on the first step comes when the second has been asked for.
        Assert.True(at[0].Launches >= 2 * (at[6].Launches - at[5].Launches));
    }

    [Fact]
    public void Run_CachedStates_ComeOnTheSecondStreamBeforeTheStepThatReadsThem()
    {
        (_, _, Counts[] at) = Run(8, runsAhead: true, cached: true);
        for (int i = 5; i < 7; i++)
        {
            // One wait for the report; the other finds a copy of two steps ago, whose memory is filled again.
            Assert.InRange(at[i].Waits - at[i - 1].Waits, 1, 2);
            Assert.True(at[i].StreamOrders - at[i - 1].StreamOrders >= 2, "the copy waits for the buffer's last reader, the step for the copy");
        }
    }

    [Fact]
    public void Run_SeveralSteps_PeakMemoryIsWhatTheDriverHasGivenOut()
    {
        using var gpu = new PtxGpu();
        using (CudaDevice device = Device(gpu))
        {
            using QwenBackbone backbone = QwenBackbone.Load(device, _tiny.Folder);
            using OllmModel ollm = OllmModel.Create(backbone, 4, 16, 2);
            using var trainer = new Trainer(backbone, ollm, _rows, new TrainOptions { Steps = 2, BatchSize = 3, CheckpointEvery = 0 });
            trainer.Run(TestData.NewFolder(), _ => { });
            // Activations of passes of 4,096 tokens are most of it, with so small a model.
            Assert.InRange(gpu.Accelerator.PeakBufferBytes, 4096L * 4 * 8 * 16, 64L << 20);
            Assert.Equal(gpu.Driver.PeakBytes, gpu.Accelerator.PeakBufferBytes);
        }
        Assert.Equal(gpu.Driver.PeakBytes, gpu.Accelerator.PeakBufferBytes);
    }

    /// <summary>A gain of zero makes its input's column zero, and with it the gradient that the gain's own follows from.</summary>
    [Fact]
    public void Accumulate_GainsOfZero_LearnAllTheSame()
    {
        using OllmModel ollm = _tiny.NewOllm(4, 16);
        float[] gains = ollm.Parameters["policy.norm.weight"].ToArray();
        gains[3] = 0;
        ollm.Parameters["policy.norm.weight"].Upload(gains);
        using var gradients = new OllmTensors(_tiny.Device, ollm.Shape);
        using DeviceBuffer<float> hidden = _tiny.Device.Allocate<float>(6 * _tiny.Model.Config.HiddenSize);
        hidden.Upload(0, [.. Enumerable.Range(0, (int)hidden.Length).Select(i => MathF.Sin(i))]);
        float At(float gain)
        {
            gains[3] = gain;
            ollm.Parameters["policy.norm.weight"].Upload(gains);
            using var loss = new OllmLoss(_tiny.Model, ollm.Parameters, gradients, LatentMode.Soft);
            _tiny.Device.Clear(gradients.All);
            loss.Accumulate(hidden.View, _tiny.Tokens(6).Select(_ => 5).ToArray(), new ulong[6], 1, 1f / 6);
            return gradients["policy.norm.weight"].ToArray()[3];
        }
        float beside = At(1e-3f);
        Assert.NotEqual(0, beside);
        Assert.Equal(beside, At(0), 0.02 * Math.Abs(beside));
    }

    [Fact]
    public void Run_TwentySteps_LossesWithinOnePercentOfTheCpus() => HoldLosses(20, 5e-3, LatentMode.Gumbel, 1);

    /// <summary>
    /// Every step without sampling. With it, where a draw is near the edge between two options, rounding decides it, and with two dozen targets a step one
    /// draw is more than a percent: then the means over 20 steps.
    /// </summary>
    [SkippableTheory]
    [InlineData(LatentMode.Soft)]
    [InlineData(LatentMode.Gumbel)]
    public void Run_TwoHundredSteps_LossesWithinOnePercentOfTheCpus(LatentMode mode)
    {
        Skip.IfNot(Environment.GetEnvironmentVariable("OLLM_SOAK") == "1", "takes minutes: set OLLM_SOAK=1");
        HoldLosses(200, 3e-4, mode, mode == LatentMode.Gumbel ? 20 : 1);
    }

    /// <summary>The same run on both devices, from the same seed.</summary>
    private void HoldLosses(int steps, double rate, LatentMode mode, int window)
    {
        var options = new TrainOptions { Steps = steps, BatchSize = steps > 20 ? 6 : 3, LearningRate = rate, CheckpointEvery = 0, Latent = mode };
        using var gpu = new PtxGpu();
        using CudaDevice device = Device(gpu);
        using QwenBackbone other = QwenBackbone.Load(device, _tiny.Folder);
        TrainMetrics[] expected = Lines(_tiny.Model, options), actual = Lines(other, options);
        Assert.True(expected[^1].Loss < expected[0].Loss - 0.1, "nothing was learned");
        Hold("loss", line => line.Loss);
        Hold("cross-entropy", line => line.Ce);
        Hold("policy's cross-entropy", line => line.PolicyCe);
        // The KL is a difference of logarithms of K: those are what rounding is relative to.
        Hold("KL against log K", line => Math.Log(4) - line.Kl);

        void Hold(string what, Func<TrainMetrics, double> value)
        {
            double Mean(TrainMetrics[] lines, int last) => lines[(last + 1 - window)..(last + 1)].Average(value);
            double Error(int last) => Math.Abs(Mean(actual, last) / Mean(expected, last) - 1);
            int worst = Enumerable.Range(window - 1, steps - window + 1).MaxBy(Error);
            string found = $"{what} up to step {worst + 1}: {Mean(actual, worst)} instead of {Mean(expected, worst)}; first {value(expected[0])}, last {value(expected[^1])}";
            _output.WriteLine(found);
            Assert.True(Error(worst) <= 0.01, found);
        }
    }

    /// <summary>Every kernel of the GPU; tiles by arithmetic, since trying them out takes the interpreter longer than the run.</summary>
    private static CudaDevice Device(PtxGpu gpu, bool runsAhead = true) =>
        new(gpu.Accelerator, CudaDeviceOptions.For(gpu.Accelerator) with { RunsAhead = runsAhead, MeasureProducts = false });

    [Fact]
    public void Upload_MoreThanTheRing_IsWhatTheSourceWasThen()
    {
        using var gpu = new PtxGpu();
        using var device = new CudaDevice(gpu.Accelerator);
        int[] values = [.. Enumerable.Range(0, 6_000_000)], expected = [.. values];
        using DeviceBuffer<int> first = device.Allocate<int>(values.Length), second = device.Allocate<int>(values.Length);
        first.Upload(0, values);
        for (int i = 0; i < values.Length; i++) values[i] = -i;
        second.Upload(0, values);
        Assert.Equal(expected, first.View.ToArray());
        Assert.Equal(values, second.View.ToArray());
    }

    /// <summary>New memory is cleared on the queue, and the first copies come on another stream: behind that.</summary>
    [Fact]
    public void Feed_FirstBuffers_ArriveBehindTheirClearing()
    {
        using var gpu = new PtxGpu();
        using var device = new CudaDevice(gpu.Accelerator);
        using DeviceBuffer<float> sum = device.Allocate<float>(1000);
        using Feed<float> feed = device.NewFeed<float>(1000);
        for (int turn = 0; turn < 3; turn++)
        {
            feed.Host(1000).Fill(1 << turn);
            feed.Send();
            device.Add(sum.View, feed.Take(), sum.View);
            feed.Release();
        }
        Assert.All(sum.View.ToArray(), value => Assert.Equal(7, value));
    }

    private TrainMetrics[] Lines(QwenBackbone backbone, TrainOptions options)
    {
        using OllmModel ollm = OllmModel.Create(backbone, 4, 16, 2);
        using var trainer = new Trainer(backbone, ollm, _rows, options);
        var lines = new List<TrainMetrics>();
        trainer.Run(TestData.NewFolder(), lines.Add);
        return [.. lines];
    }

    private (float[] Parameters, TrainMetrics[] Lines, Counts[] At) Run(int steps, bool runsAhead, bool cached)
    {
        using var gpu = new PtxGpu();
        using CudaDevice device = Device(gpu, runsAhead);
        using QwenBackbone backbone = QwenBackbone.Load(device, _tiny.Folder);
        using OllmModel ollm = OllmModel.Create(backbone, 4, 16, 2);
        var options = new TrainOptions
        {
            Steps = steps, BatchSize = 3, LearningRate = 5e-3, Seed = 8, CheckpointEvery = 0, CacheHidden = cached ? TestData.NewFolder() : null,
        };
        using var trainer = new Trainer(backbone, ollm, _rows, options);
        var lines = new List<TrainMetrics>();
        var at = new List<Counts>();
        trainer.Run(TestData.NewFolder(), line =>
        {
            lines.Add(line);
            at.Add(Counts.Of(gpu.Driver));
        });
        return (ollm.Parameters.All.ToArray(), [.. lines], [.. at]);
    }

    private static (int, double, double, double, double) Numbers(TrainMetrics line) => (line.Step, line.Loss, line.Beta, line.GradNorm, line.TokenAccuracy);

    private readonly record struct Counts(int Waits, int Launches, int Allocations, int StreamOrders)
    {
        public static Counts Of(PtxDriver driver) => new(
            driver.Calls("StreamSynchronize") + driver.Calls("EventSynchronize") + driver.Calls("CtxSynchronize"),
            driver.Calls("LaunchKernel") + driver.Calls("LaunchKernelEx"), driver.Calls("MemAlloc") + driver.Calls("MemHostAlloc"), driver.Calls("StreamWaitEvent"));
    }
}
