using OllmNative.Model;

namespace OllmNative.Tests;

/// <summary>OLLMs whose options are known: option k makes the digit k + 1 the only likely token.</summary>
internal static class DigitOptions
{
    /// <summary>With one option its bias makes the digits 1 to 4 about equally likely, and all else unlikely.</summary>
    public static OllmModel NewOllm(TinyBackbone tiny, int options, int width, ulong seed = 1)
    {
        OllmModel ollm = OllmModel.Create(tiny.Model, options, width, seed);
        int d = tiny.Model.Config.HiddenSize;
        float[] head = tiny.Weights["lm_head.weight"];
        if (options == 1)
        {
            var bias = new float[d];
            for (int k = 0; k < 4; k++)
                for (int i = 0; i < d; i++) bias[i] += 1.5f * head[('1' + k) * d + i];
            ollm.Parameters["decoder.out.bias"].Upload(bias);
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
