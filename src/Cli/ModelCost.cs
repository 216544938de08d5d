using OllmNative.Model;

namespace OllmNative.Cli;

/// <summary>Arithmetic of a model's parts, floating-point operations for each token; a multiply-add counts two.</summary>
internal static class ModelCost
{
    /// <summary>The backbone's matrices, forward; attention's scores are left out, as is everything that is linear in D alone.</summary>
    public static double Backbone(ModelConfig c)
    {
        double attention = (double)c.HiddenSize * c.HeadDim * (2 * c.Heads + 2 * c.KvHeads);
        return 2 * c.Layers * (attention + 3.0 * c.HiddenSize * c.IntermediateSize);
    }

    /// <summary>The output head, forward.</summary>
    public static double Head(ModelConfig c) => 2.0 * c.HiddenSize * c.VocabSize;

    /// <summary>
    /// One trained target: the head twice (logits, gradient) and the modules three times (forward, gradients of inputs and of
    /// weights).
    /// </summary>
    public static double Target(ModelConfig c, OllmShape modules) => 2 * Head(c) + 6.0 * modules.ParameterCount;
}
