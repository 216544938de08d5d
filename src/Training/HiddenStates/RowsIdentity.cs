using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using OllmNative.Model;

namespace OllmNative.Training;

/// <summary>Hashes that say what a run or a cache was made from: the encoded rows, and the backbone that reads them.</summary>
public static class RowsIdentity
{
    /// <summary>
    /// SHA-256 over the rows as the model sees them, in order: token ids and where the targets begin. Data file, tokenizer,
    /// chat format and --max-length all end up in it.
    /// </summary>
    public static byte[] Of(IReadOnlyList<TokenRow> rows)
    {
        ArgumentNullException.ThrowIfNull(rows);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Span<byte> sizes = stackalloc byte[8];
        foreach (TokenRow row in rows)
        {
            BinaryPrimitives.WriteInt32LittleEndian(sizes, row.Tokens.Length);
            BinaryPrimitives.WriteInt32LittleEndian(sizes[4..], row.FirstTarget);
            hash.AppendData(sizes);
            hash.AppendData(MemoryMarshal.AsBytes<int>(row.Tokens));
        }
        return hash.GetHashAndReset();
    }

    /// <summary>SHA-256 over everything that hidden states follow from: the backbone with samples of its weights, how they are stored, and the rows.</summary>
    public static byte[] OfHiddenStates(QwenBackbone backbone, IReadOnlyList<TokenRow> rows)
    {
        ArgumentNullException.ThrowIfNull(backbone);
        // Bytes per token tell weights that were quantized at load from those of the file.
        string text = $"ollm hidden states 1\n{backbone.Fingerprint}\n{backbone.WeightsSample}\n{backbone.BytesPerToken}\n{Convert.ToHexStringLower(Of(rows))}\n";
        return SHA256.HashData(Encoding.ASCII.GetBytes(text));
    }
}
