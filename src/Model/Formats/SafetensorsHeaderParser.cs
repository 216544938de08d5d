using System.Text.Json;

namespace OllmNative.Model;

/// <summary>
/// Reads the header's JSON token by token. A general deserializer would keep the last of two equal keys and build
/// a tree first; here a second key is an error and the memory used is a small multiple of the header.
/// </summary>
internal ref struct SafetensorsHeaderParser(ReadOnlySpan<byte> json, string path)
{
    // Far beyond any model: the largest have some 100 thousand tensors in 160 files, with names of 80 letters.
    private const int MaxTensors = 100_000, MaxNameBytes = 1024, MaxDimensions = 32;

    private Utf8JsonReader reader = new(json, isFinalBlock: true, state: default);

    /// <exception cref="OllmException">The JSON does not describe tensors.</exception>
    /// <exception cref="JsonException">It is not JSON at all.</exception>
    public SafetensorsHeader Parse()
    {
        if (Next() != JsonTokenType.StartObject) throw Error("expected a JSON object of tensors");
        var tensors = new List<TensorEntry>();
        var names = new HashSet<string>(StringComparer.Ordinal);
        var metadata = new Dictionary<string, string>(StringComparer.Ordinal);
        while (Next() == JsonTokenType.PropertyName)
        {
            if (reader.ValueSpan.Length > MaxNameBytes) throw Error($"a name has {reader.ValueSpan.Length} bytes, above the limit of {MaxNameBytes}");
            if (tensors.Count == MaxTensors) throw Error($"there are more than {MaxTensors} tensors, the limit for one file");
            string name = Text();
            if (!names.Add(name)) throw Error($"the key {ErrorText.Quote(name)} appears twice");
            if (name == SafetensorsHeader.MetadataKey) ReadMetadata(metadata);
            else tensors.Add(ReadTensor(name));
        }
        Next(); // The reader itself refuses anything but white space after the object.

        // OrderBy is stable, so zero-sized tensors at one offset keep the header's order.
        TensorEntry[] ordered = [.. tensors.OrderBy(tensor => tensor.Begin).ThenBy(tensor => tensor.End)];
        return new SafetensorsHeader(Array.AsReadOnly(ordered), metadata);
    }

    private void ReadMetadata(Dictionary<string, string> metadata)
    {
        JsonTokenType first = Next();
        if (first == JsonTokenType.Null) return; // Some writers put null for "none"; the reference reader takes it.
        if (first != JsonTokenType.StartObject) throw Error($"{SafetensorsHeader.MetadataKey} must be a JSON object of strings");
        while (Next() == JsonTokenType.PropertyName)
        {
            string key = Text();
            if (Next() != JsonTokenType.String)
                throw Error($"{SafetensorsHeader.MetadataKey} must map strings to strings, but {ErrorText.Quote(key)} is not a string");
            if (!metadata.TryAdd(key, Text())) throw Error($"the key {ErrorText.Quote(key)} appears twice in {SafetensorsHeader.MetadataKey}");
        }
    }

    private TensorEntry ReadTensor(string name)
    {
        if (Next() != JsonTokenType.StartObject) throw TensorError(name, "must be a JSON object");
        DType? type = null;
        List<long>? shape = null, offsets = null;
        var keys = new HashSet<string>(StringComparer.Ordinal);
        while (Next() == JsonTokenType.PropertyName)
        {
            string key = Text();
            if (!keys.Add(key)) throw TensorError(name, $"has the key {ErrorText.Quote(key)} twice");
            switch (key)
            {
                case "dtype": type = ReadDType(name); break;
                case "shape": shape = ReadIntegers(name, key); break;
                case "data_offsets": offsets = ReadIntegers(name, key); break;
                default: Next(); reader.Skip(); break; // Unknown keys are ignored, as in the reference reader.
            }
        }
        if (type is null) throw TensorError(name, "has no dtype");
        if (shape is null) throw TensorError(name, "has no shape");
        if (offsets is null) throw TensorError(name, "has no data_offsets");
        if (offsets.Count != 2) throw TensorError(name, $"has {offsets.Count} data_offsets, expected 2");
        if (offsets[1] < offsets[0]) throw TensorError(name, $"has data_offsets [{offsets[0]}, {offsets[1]}] that end before they begin");
        return new TensorEntry(name, type.Value, [.. shape], Product(name, shape), offsets[0], offsets[1]);
    }

    private DType ReadDType(string name)
    {
        if (Next() != JsonTokenType.String) throw TensorError(name, "dtype must be a string");
        string text = Text();
        return DTypes.TryParse(text, out DType type) ? type : throw TensorError(name, $"has the unknown dtype {ErrorText.Quote(text)}");
    }

    private List<long> ReadIntegers(string name, string key)
    {
        if (Next() != JsonTokenType.StartArray) throw TensorError(name, $"{key} must be an array of integers");
        var values = new List<long>();
        while (Next() != JsonTokenType.EndArray)
        {
            if (reader.TokenType != JsonTokenType.Number || !reader.TryGetUInt64(out ulong value))
                throw TensorError(name, $"{key} must hold non-negative 64-bit integers only");
            if (value > long.MaxValue) throw TensorError(name, $"{key} holds {value}, which overflows a signed 64-bit size");
            if (values.Count == MaxDimensions) throw TensorError(name, $"{key} holds more than {MaxDimensions} integers");
            values.Add((long)value);
        }
        return values;
    }

    private readonly long Product(string name, List<long> shape)
    {
        long count = 1;
        foreach (long extent in shape)
        {
            if (extent != 0 && count > long.MaxValue / extent)
                throw TensorError(name, $"has a shape [{string.Join(", ", shape.Take(16))}] whose element count overflows 64 bits");
            count *= extent;
        }
        return count;
    }

    private JsonTokenType Next()
    {
        reader.Read();
        return reader.TokenType;
    }

    private readonly string Text()
    {
        try
        {
            return reader.GetString()!;
        }
        catch (InvalidOperationException e) // An escape such as \ud800 alone: valid JSON grammar, but no text.
        {
            throw new OllmException($"{Place()}: a string holds half of a surrogate pair, which is not text", e);
        }
    }

    private readonly OllmException TensorError(string name, string problem) => Error($"tensor {ErrorText.Quote(name)} {problem}");

    private readonly OllmException Error(string problem) => new($"{Place()}: {problem}");

    private readonly string Place() => $"{path}: safetensors header JSON, byte {reader.TokenStartIndex + 1}";
}
