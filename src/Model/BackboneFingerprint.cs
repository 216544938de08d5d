using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace OllmNative.Model;

/// <summary>
/// Identifies the backbone that an OLLM was trained on: a SHA-256 over a canonical text of the configuration values that enter
/// the equations and of the tensor table. The same model gives the same fingerprint whether it is one file or sharded, and
/// however its config.json is laid out. The weights' values are not read (that would take seconds per GB), so a fine-tuned
/// model of the same shape is not told apart: this is a guard against mixing up models, not a signature.
/// </summary>
public static class BackboneFingerprint
{
    /// <summary>The fingerprint as 64 lower-case hex digits.</summary>
    public static string Compute(ModelConfig config, Checkpoint checkpoint)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(checkpoint);
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(CanonicalText(config, checkpoint))));
    }

    /// <summary>
    /// What is hashed: one <c>key=value</c> line for each configuration value, numbers in their shortest round-trip form, then
    /// one line <c>"name" dtype [shape]</c> for each tensor, names as JSON strings, in ordinal order of the names.
    /// </summary>
    private static string CanonicalText(ModelConfig config, Checkpoint checkpoint)
    {
        var text = new StringBuilder("ollm backbone fingerprint 1\n");
        void Add(string key, object value) => text.Append(CultureInfo.InvariantCulture, $"{key}={value}\n");
        Add("model_type", config.ModelType);
        Add("hidden_size", config.HiddenSize);
        Add("intermediate_size", config.IntermediateSize);
        Add("num_hidden_layers", config.Layers);
        Add("num_attention_heads", config.Heads);
        Add("num_key_value_heads", config.KvHeads);
        Add("head_dim", config.HeadDim);
        Add("vocab_size", config.VocabSize);
        Add("rms_norm_eps", config.RmsNormEps);
        Add("rope_theta", config.RopeTheta);
        Add("tie_word_embeddings", config.TieWordEmbeddings);
        Add("qkv_bias", config.QkvBias);
        Add("output_bias", config.OutputBias);
        Add("qk_norm", config.QkNorm);
        foreach (MappedTensor tensor in checkpoint.Tensors.OrderBy(tensor => tensor.Name, StringComparer.Ordinal))
            text.Append(CultureInfo.InvariantCulture, $"{JsonSerializer.Serialize(tensor.Name)} {tensor.DType.Name()} {tensor.ShapeText}\n");
        return text.ToString();
    }
}
