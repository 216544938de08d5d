using System.Buffers.Binary;
using System.Text.Json;
using System.Text.Unicode;

namespace OllmNative.Model;

/// <summary>One tensor as the header describes it; offsets are bytes from the start of the data section.</summary>
internal sealed record TensorEntry(string Name, DType DType, long[] Shape, long ElementCount, long Begin, long End);

/// <summary>
/// The validated header of a safetensors file: 8 bytes of length (unsigned, little endian), then that many bytes of JSON
/// (<c>{"name": {"dtype", "shape", "data_offsets"}, "__metadata__": {...}}</c>), then the data.
/// </summary>
/// <param name="Tensors">In the order of their data.</param>
/// <param name="Metadata">The string-to-string map <c>__metadata__</c>.</param>
internal sealed record SafetensorsHeader(IReadOnlyList<TensorEntry> Tensors, IReadOnlyDictionary<string, string> Metadata)
{
    /// <summary>Bytes before the JSON.</summary>
    public const int PrefixBytes = 8;

    /// <summary>The format's own limit on the JSON.</summary>
    public const int MaxBytes = 100_000_000;

    /// <summary>Key of the free-form metadata.</summary>
    public const string MetadataKey = "__metadata__";

    /// <summary>Bytes of JSON that the prefix promises, checked against the limit and the file before anything is allocated.</summary>
    /// <exception cref="OllmException">The file is too short for its header, or the header is above the limit.</exception>
    public static int ReadLength(ReadOnlySpan<byte> prefix, long fileLength, string path)
    {
        if (fileLength < PrefixBytes)
            throw new OllmException($"{path}: too short for a safetensors file: {fileLength} bytes, expected at least {PrefixBytes}");
        ulong length = BinaryPrimitives.ReadUInt64LittleEndian(prefix);
        if (length > MaxBytes)
            throw new OllmException($"{path}: not a safetensors file: its header claims {length} bytes, above the limit of {MaxBytes}");
        if ((long)length > fileLength - PrefixBytes)
            throw new OllmException($"{path}: the header claims {length} bytes and runs past the end of the file "
                + $"({fileLength} bytes): truncated, or not a safetensors file");
        return (int)length;
    }

    /// <summary>Parses and checks the JSON part.</summary>
    /// <param name="json">The header's bytes.</param>
    /// <param name="dataBytes">Bytes of the file after the header.</param>
    /// <param name="path">The file, for messages.</param>
    /// <exception cref="OllmException">Any rule of the format is broken.</exception>
    public static SafetensorsHeader Parse(ReadOnlySpan<byte> json, long dataBytes, string path)
    {
        if (!Utf8.IsValid(json)) throw new OllmException($"{path}: the safetensors header is not valid UTF-8");
        try
        {
            SafetensorsHeader header = new SafetensorsHeaderParser(json, path).Parse();
            header.CheckLayout(dataBytes, path);
            return header;
        }
        catch (JsonException e)
        {
            string place = $"byte {e.BytePositionInLine + 1} of line {e.LineNumber + 1}";
            throw new OllmException($"{path}: safetensors header, {place}: not valid JSON: {JsonFiles.Reason(e)}", e);
        }
    }

    /// <summary>Data must follow each other without holes or overlaps and end where the file ends.</summary>
    private void CheckLayout(long dataBytes, string path)
    {
        long end = 0;
        foreach (TensorEntry tensor in Tensors)
        {
            if (tensor.Begin != end)
                throw new OllmException($"{path}: tensor {ErrorText.Quote(tensor.Name)} has data_offsets [{tensor.Begin}, {tensor.End}] "
                    + $"but the data before it ends at {end}: tensors must not overlap or leave a hole");
            CheckSize(tensor, path);
            end = tensor.End;
        }
        if (end != dataBytes)
            throw new OllmException($"{path}: {dataBytes} bytes of data follow the header, but its tensors describe {end}: "
                + $"{(dataBytes < end ? "the file is truncated" : "there are trailing bytes")}");
    }

    private static void CheckSize(TensorEntry tensor, string path)
    {
        Int128 bits = (Int128)tensor.ElementCount * tensor.DType.Bits();
        string place = $"{path}: tensor {ErrorText.Quote(tensor.Name)} ({tensor.DType.Name()}, shape [{string.Join(", ", tensor.Shape.Take(16))}])";
        if (bits > long.MaxValue) throw new OllmException($"{place}: its size overflows 64 bits");
        if (bits % 8 != 0) throw new OllmException($"{place}: its {tensor.ElementCount} elements do not fill a whole number of bytes");
        if (bits / 8 != tensor.End - tensor.Begin)
            throw new OllmException($"{place}: needs {bits / 8} bytes but its data_offsets [{tensor.Begin}, {tensor.End}] span {tensor.End - tensor.Begin}");
    }
}
