using BenchmarkDotNet.Attributes;
using OllmNative.Model;

namespace OllmNative.Bench;

/// <summary>
/// Output head and cross-entropy with gradient, vocabulary 151,936, D = 896, 256 rows, with and without the filter.
/// <c>Flat</c>: a random model, every token about as likely as any other, where the filter can do nothing. <c>Trained</c>: logits of
/// standard deviation 2 over the vocabulary with the target 12 to 30 above their mean, evenly spread over the rows, which makes a
/// mean cross-entropy of about 0.4 nats: between sure (p = 1) and open positions (p = 0.1), as text is for a language model.
/// </summary>
public class HeadBenchmarks
{
    private const int Vocabulary = 151_936, Width = 896, Rows = 256;

    private Operands _o = null!;
    private DeviceMatrix _head = null!;
    private DeviceView<float> _x, _loss, _gradient;
    private DeviceView<int> _targets, _prediction;

    /// <summary>Distribution of the logits.</summary>
    public enum Shape
    {
        /// <summary>Random weights.</summary>
        Flat,

        /// <summary>Like a trained model's.</summary>
        Trained,
    }

    [Params(Shape.Flat, Shape.Trained)]
    public Shape Logits { get; set; }

    [Params(true, false)]
    public bool Exact { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _o = new Operands();
        _head = _o.Weights(Vocabulary, Width, out float[] w);
        int[] targets = [.. Enumerable.Range(0, Rows).Select(_ => _o.Below(Vocabulary))];
        var x = new float[Rows * Width];
        double norm = 0.02 * 0.02 * Width, deviation = 0.02 * Math.Sqrt(Width);
        for (int r = 0; r < Rows; r++)
        {
            double target = 12 + 18.0 * r / Rows;
            for (int i = 0; i < Width; i++)
            {
                x[r * Width + i] = Logits == Shape.Flat
                    ? _o.Normal()
                    : (float)(2 / deviation * _o.Normal() + target / norm * w[targets[r] * Width + i]);
            }
        }
        (_x, _targets) = (_o.Upload(x), _o.Upload(targets));
        (_loss, _gradient, _prediction) = (_o.Upload(new float[Rows]), _o.Upload(new float[x.Length]), _o.Upload(new int[Rows]));
        HeadCrossEntropy();
        Console.WriteLine($"// mean cross-entropy {_loss.ToArray().Average():F3} nats");
    }

    [GlobalCleanup]
    public void Cleanup() => _o.Dispose();

    [Benchmark]
    public void HeadCrossEntropy()
    {
        _o.Device.ExactHeadGradient = Exact;
        _o.Device.HeadCrossEntropy(_x, _head, _targets, _loss, _prediction, _gradient);
    }

    [Benchmark]
    public void LossAlone() => _o.Device.HeadCrossEntropy(_x, _head, _targets, _loss, _prediction, default);
}
