using OllmNative.Model;

namespace OllmNative.Tests;

/// <summary>--device on the command line.</summary>
public sealed class CliDeviceChoiceTests
{
    [Fact]
    public void Forward_OnTheEmulator_WritesWhatTheCpuWrites()
    {
        string model = CliRun.NewModel();
        float[] cpu = Logits(model, "cpu"), emulator = Logits(model, "emulator");
        Assert.Equal(cpu.Length, emulator.Length);
        for (int i = 0; i < cpu.Length; i++) Assert.Equal(cpu[i], emulator[i], 1e-4f);
    }

    [Fact]
    public void Init_UnknownDevice_NamesTheKnownOnes() =>
        CliRun.Of("init", "--model", CliRun.NewModel(), "--out", "x", "--device", "gpu").AssertRefused("--device", "'gpu'", "cuda", "emulator");

    private static float[] Logits(string model, string device)
    {
        string file = Path.Combine(TestData.NewFolder(), "out.safetensors");
        CliRun run = CliRun.Of("forward", "--model", model, "--tokens", "1,5,2,9", "--out", file, "--device", device);
        Assert.True(run.Code == 0, run.Error);
        using Checkpoint checkpoint = Checkpoint.Open(file);
        return checkpoint.Get("logits", 4, 50).ToFloats();
    }
}
