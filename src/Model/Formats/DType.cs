namespace OllmNative.Model;

/// <summary>Element types of a safetensors file, by the names that the format gives them.</summary>
public enum DType
{
    Bool, U8, I8, F8E5M2, F8E4M3, I16, U16, F16, BF16, I32, U32, F32, F64, I64, U64,
}

/// <summary>Sizes and names of <see cref="DType"/>.</summary>
public static class DTypes
{
    /// <summary>Bytes of one element.</summary>
    public static int Size(this DType type) => type switch
    {
        DType.Bool or DType.U8 or DType.I8 or DType.F8E5M2 or DType.F8E4M3 => 1,
        DType.I16 or DType.U16 or DType.F16 or DType.BF16 => 2,
        DType.I32 or DType.U32 or DType.F32 => 4,
        _ => 8,
    };

    /// <summary>The name in a safetensors header, for example <c>BF16</c> or <c>F8_E4M3</c>.</summary>
    public static string Name(this DType type) => type switch
    {
        DType.Bool => "BOOL",
        DType.F8E5M2 => "F8_E5M2",
        DType.F8E4M3 => "F8_E4M3",
        _ => type.ToString(),
    };

    /// <summary>Parses a header name; false when the format does not know it.</summary>
    public static bool TryParse(string name, out DType type)
    {
        foreach (DType candidate in Enum.GetValues<DType>())
        {
            if (candidate.Name() != name) continue;
            type = candidate;
            return true;
        }
        type = default;
        return false;
    }
}
