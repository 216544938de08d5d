using OllmNative.Model;

namespace OllmNative.Cli;

/// <summary>The tensors that a configuration asks for: what <see cref="QwenBackbone"/> will look up in the weights.</summary>
internal static class BackboneLayout
{
    /// <summary>Names and shapes, in the order of the forward pass.</summary>
    public static IReadOnlyList<(string Name, long[] Shape)> Tensors(ModelConfig c)
    {
        long d = c.HiddenSize, q = (long)c.Heads * c.HeadDim, kv = (long)c.KvHeads * c.HeadDim, f = c.IntermediateSize;
        var tensors = new List<(string, long[])> { ("model.embed_tokens.weight", [c.VocabSize, d]) };
        for (int i = 0; i < c.Layers; i++)
        {
            string at = $"model.layers.{i}.", attention = at + "self_attn.";
            tensors.Add((at + "input_layernorm.weight", [d]));
            AddLinear(tensors, attention + "q_proj", q, d, c.QkvBias);
            AddLinear(tensors, attention + "k_proj", kv, d, c.QkvBias);
            AddLinear(tensors, attention + "v_proj", kv, d, c.QkvBias);
            if (c.QkNorm) tensors.AddRange([(attention + "q_norm.weight", [c.HeadDim]), (attention + "k_norm.weight", [c.HeadDim])]);
            AddLinear(tensors, attention + "o_proj", d, q, c.OutputBias);
            tensors.Add((at + "post_attention_layernorm.weight", [d]));
            AddLinear(tensors, at + "mlp.gate_proj", f, d, bias: false);
            AddLinear(tensors, at + "mlp.up_proj", f, d, bias: false);
            AddLinear(tensors, at + "mlp.down_proj", d, f, bias: false);
        }
        tensors.Add(("model.norm.weight", [d]));
        if (!c.TieWordEmbeddings) tensors.Add(("lm_head.weight", [c.VocabSize, d]));
        return tensors;
    }

    /// <summary>Parameters in all, a tied head counted once.</summary>
    public static long ParameterCount(ModelConfig config) => Tensors(config).Sum(tensor => Elements(tensor.Shape));

    /// <summary>Product of the extents.</summary>
    public static long Elements(IEnumerable<long> shape) => shape.Aggregate(1L, (product, extent) => checked(product * extent));

    /// <summary>Bytes of keys and values that <paramref name="tokens"/> positions take: f32 on the processor.</summary>
    public static long KvCacheBytes(ModelConfig c, long tokens) => 2L * c.Layers * c.KvHeads * c.HeadDim * sizeof(float) * tokens;

    /// <summary>As <see cref="KvCacheBytes"/> on a GPU: bf16 for the head sizes that its attention is made for.</summary>
    public static long CudaKvCacheBytes(ModelConfig c, long tokens) => KvCacheBytes(c, tokens) / (CacheView.IsBf16Head(c.HeadDim) ? 2 : 1);

    private static void AddLinear(List<(string, long[])> tensors, string name, long outputs, long inputs, bool bias)
    {
        tensors.Add((name + ".weight", [outputs, inputs]));
        if (bias) tensors.Add((name + ".bias", [outputs]));
    }
}
