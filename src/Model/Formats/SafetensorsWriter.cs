using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace OllmNative.Model;

/// <summary>Writes safetensors files: whole or not at all, the same bytes for the same tensors.</summary>
public static class SafetensorsWriter
{
    private const int Alignment = 8;

    /// <summary>
    /// Writes a file. The header is padded with spaces so that data start 8-byte aligned; tensors of larger elements come first
    /// (otherwise in the order given), so that each one is aligned to its element. Everything goes to a temporary file beside
    /// <paramref name="path"/> that is flushed to disk and then renamed: after a crash the old file or the new one is there.
    /// </summary>
    /// <param name="path">Where the file goes; an existing file is replaced, also one that is mapped (its readers keep the old data).</param>
    /// <param name="tensors">What to write; each one's data are asked for once, in file order.</param>
    /// <param name="metadata">Free text for <c>__metadata__</c>.</param>
    /// <exception cref="ArgumentException">A name is repeated or reserved, or a shape cannot be.</exception>
    /// <exception cref="InvalidOperationException">A tensor supplied another number of bytes than its shape needs.</exception>
    /// <exception cref="OllmException">The file cannot be written.</exception>
    public static void Write(string path, IReadOnlyList<TensorToWrite> tensors, IReadOnlyDictionary<string, string>? metadata = null)
    {
        ArgumentNullException.ThrowIfNull(tensors);
        TensorToWrite[] ordered = [.. tensors.OrderByDescending(tensor => tensor.DType.Bits())];
        ReadOnlyMemory<byte> header = BuildHeader(ordered, metadata);
        DurableFiles.Write(path, stream => WriteTo(stream, header.Span, ordered));
    }

    private static void WriteTo(Stream stream, ReadOnlySpan<byte> header, TensorToWrite[] tensors)
    {
        Span<byte> prefix = stackalloc byte[SafetensorsHeader.PrefixBytes];
        System.Buffers.Binary.BinaryPrimitives.WriteInt64LittleEndian(prefix, header.Length);
        stream.Write(prefix);
        stream.Write(header);
        foreach (TensorToWrite tensor in tensors)
        {
            long begin = stream.Position;
            tensor.WriteData(stream);
            if (stream.Position - begin != tensor.ByteLength)
                throw new InvalidOperationException($"tensor {tensor.Name} supplied {stream.Position - begin} bytes, its shape needs {tensor.ByteLength}");
        }
    }

    private static ReadOnlyMemory<byte> BuildHeader(TensorToWrite[] tensors, IReadOnlyDictionary<string, string>? metadata)
    {
        var buffer = new ArrayBufferWriter<byte>();
        // Names keep their letters instead of \u escapes; the file is no HTML.
        using (var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartObject();
            if (metadata is not null) WriteMetadata(json, metadata);
            WriteTable(json, tensors);
            json.WriteEndObject();
        }
        int padding = -(SafetensorsHeader.PrefixBytes + buffer.WrittenCount) & (Alignment - 1);
        buffer.GetSpan(Alignment)[..padding].Fill((byte)' ');
        buffer.Advance(padding);
        if (buffer.WrittenCount > SafetensorsHeader.MaxBytes)
            throw new ArgumentException($"the header would take {buffer.WrittenCount} bytes, above the format's limit of {SafetensorsHeader.MaxBytes}");
        return buffer.WrittenMemory;
    }

    private static void WriteMetadata(Utf8JsonWriter json, IReadOnlyDictionary<string, string> metadata)
    {
        json.WriteStartObject(SafetensorsHeader.MetadataKey);
        foreach ((string key, string value) in metadata.OrderBy(pair => pair.Key, StringComparer.Ordinal)) json.WriteString(key, value);
        json.WriteEndObject();
    }

    private static void WriteTable(Utf8JsonWriter json, TensorToWrite[] tensors)
    {
        var names = new HashSet<string>(StringComparer.Ordinal) { SafetensorsHeader.MetadataKey };
        long begin = 0;
        foreach (TensorToWrite tensor in tensors)
        {
            if (!names.Add(tensor.Name)) throw new ArgumentException($"the tensor name {tensor.Name} is used twice or reserved", nameof(tensors));
            long end = checked(begin + tensor.ByteLength);
            json.WriteStartObject(tensor.Name);
            json.WriteString("dtype", tensor.DType.Name());
            json.WriteStartArray("shape");
            foreach (long extent in tensor.Shape) json.WriteNumberValue(extent);
            json.WriteEndArray();
            json.WriteStartArray("data_offsets");
            json.WriteNumberValue(begin);
            json.WriteNumberValue(end);
            json.WriteEndArray();
            json.WriteEndObject();
            begin = end;
        }
    }
}
