using OllmNative.Model;
using OllmNative.Training;

namespace OllmNative.Tests;

/// <summary>OLLMs whose options are known: option k makes the digit k + 1 the only likely token.</summary>
internal static class DigitOptions
{
    /// <summary>With one option the adapter has learned to say the digits 1 to 4 equally often after <c>a=</c>, <c>b=</c> and <c>c=</c>.</summary>
    public static OllmModel NewOllm(TinyBackbone tiny, int options, int width, ulong seed = 1)
    {
        OllmModel ollm = OllmModel.Create(tiny.Model, options, width, seed);
        int d = tiny.Model.Config.HiddenSize;
        float[] head = tiny.Weights["lm_head.weight"];
        if (options == 1)
        {
            TokenRow[] rows = [.. Enumerable.Range(0, 12).Select(i => new TokenRow(['a' + i / 4, '=', '1' + i % 4], 2, i + 1))];
            using var trainer = new Trainer(tiny.Model, ollm, rows, new TrainOptions { Steps = 120, BatchSize = 12, LearningRate = 0.02 });
            for (int step = 0; step < 120; step++) trainer.Step();
            return ollm;
        }
        float[] output = new float[d * width], table = new float[options * width];
        for (int k = 0; k < options; k++)
        {
            table[k * width + k] = 50;
            for (int i = 0; i < d; i++) output[i * width + k] = head[('1' + k) * d + i];
        }
        ollm.Parameters["decoder.options.weight"].Upload(table);
        ollm.Parameters["decoder.out.weight"].Upload(output);
        return ollm;
    }
}
