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
    /// A hash of samples of the weights' values, 64 hex digits: the first, the last and 30 evenly spaced pieces of 64 bytes of
    /// every tensor, in ordinal order of the names. It reads a few hundred KB of any model and tells a fine-tuned one, whose
    /// tensors all differ, from the one that it came from.
    /// </summary>
    public static string SampleWeights(Checkpoint checkpoint)
    {
        ArgumentNullException.ThrowIfNull(checkpoint);
        const int Pieces = 32, Piece = 64;
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (MappedTensor tensor in checkpoint.Tensors.OrderBy(tensor => tensor.Name, StringComparer.Ordinal))
        {
            hash.AppendData(Encoding.UTF8.GetBytes($"{tensor.Name} {tensor.ByteLength}\n"));
            for (long i = 0; i < Pieces; i++) hash.AppendData(PieceAt(tensor, Math.Max(0, tensor.ByteLength - Piece) * i / (Pieces - 1), Piece));
        }
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    private static unsafe ReadOnlySpan<byte> PieceAt(MappedTensor tensor, long offset, int length) =>
        new(tensor.Data + offset, (int)Math.Min(length, tensor.ByteLength - offset));

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
