using OllmNative.Model;
using OllmNative.Training;

namespace OllmNative.Tests;

/// <summary>The surrogate with options that say the same token credited together.</summary>
public class OptionGroupsTests
{
    private static readonly float[] Logits = [0.3f, -1.2f, 0.9f, 0.1f, -0.4f];

    [Theory]
    [InlineData(0.7f, -1.5f)]
    [InlineData(-1.1f, -0.3f)]
    [InlineData(2f, -4f)]
    public void Gradient_GroupOfOne_IsThatOfTheOption(float advantage, float oldLog)
    {
        using var device = new Model.Cpu.CpuDevice(1);
        using DeviceBuffer<float> logits = device.Allocate<float>(5), a = device.Allocate<float>(1), old = device.Allocate<float>(1), loss = device.Allocate<float>(1);
        using DeviceBuffer<float> log = device.Allocate<float>(1), gradient = device.Allocate<float>(5);
        using DeviceBuffer<int> option = device.Allocate<int>(1);
        logits.Upload(0, Logits);
        a.Upload(0, [advantage]);
        old.Upload(0, [oldLog]);
        option.Upload(0, [2]);
        device.PolicyGradient(logits.View, option.View, a.View, old.View, 0.2f, 0.05f, loss.View, log.View, gradient.View, 5, 0.5f);
        var ours = new float[5];
        double value = OptionGroups.Gradient(Logits, [false, false, true, false, false], advantage, oldLog, 0.2f, 0.05f, 0.5f, ours);
        Assert.Equal(loss.View.ToArray()[0], value, 1e-5);
        Reference.Near(ours, gradient.View.ToArray(), 1e-5, "gradient");
        Assert.Equal(log.View.ToArray()[0], OptionGroups.LogProbability(Logits, [false, false, true, false, false]), 1e-5);
    }

    [Fact]
    public void Gradient_Group_IsTheSlopeOfTheLoss()
    {
        bool[] group = [true, false, true, false, true];
        var gradient = new float[5];
        OptionGroups.Gradient(Logits, group, 0.8f, -0.5f, 0.9f, 0.1f, 1, gradient);
        for (int k = 0; k < 5; k++)
        {
            const float step = 1e-2f;
            float[] up = [.. Logits], down = [.. Logits], unused = new float[5];
            up[k] += step;
            down[k] -= step;
            double slope = (OptionGroups.Gradient(up, group, 0.8f, -0.5f, 0.9f, 0.1f, 1, unused) - OptionGroups.Gradient(down, group, 0.8f, -0.5f, 0.9f, 0.1f, 1, unused)) / (2 * step);
            Assert.Equal(slope, gradient[k], 1e-3);
        }
    }

    [Fact]
    public void Gradient_AllOptionsAgree_IsZero()
    {
        var gradient = new float[5];
        OptionGroups.Gradient(Logits, [true, true, true, true, true], 1, 0, 0.2f, 0, 1, gradient);
        Assert.All(gradient, value => Assert.Equal(0, value, 1e-6));
    }

    [Fact]
    public void Find_KnownOptions_GroupsThoseThatSayTheSame()
    {
        using var tiny = new TinyBackbone(vocabulary: 303);
        using OllmModel ollm = DigitOptions.NewOllm(tiny, 4, 16);
        // Option 3 becomes a copy of option 1.
        float[] table = ollm.Parameters["decoder.options.weight"].ToArray();
        table.AsSpan(16, 16).CopyTo(table.AsSpan(48, 16));
        ollm.Parameters["decoder.options.weight"].Upload(table);
        using var groups = new OptionGroups(tiny.Model, ollm, 303);
        int d = tiny.Model.Config.HiddenSize;
        float[] hidden = [.. Enumerable.Range(0, 3 * d).Select(i => MathF.Sin(i))];
        Assert.Equal(
            [true, false, false, false, false, true, false, true, false, true, false, true], groups.Find(hidden, [0, 1, 3]));
    }
}
