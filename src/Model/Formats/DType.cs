using System.Diagnostics.CodeAnalysis;

namespace OllmNative.Model;

/// <summary>Element types of a safetensors file, by the names that the format gives them.</summary>
public enum DType
{
    Bool, U8, I8, F8E5M2, F8E4M3, I16, U16, F16, BF16, I32, U32, F32, F64, I64, U64,

    // Read and listed so that any valid file opens; no computation here takes them.
    F4, F6E2M3, F6E3M2, F8E8M0, F8E4M3Fnuz, F8E5M2Fnuz, C64,
}

/// <summary>Sizes and names of <see cref="DType"/>.</summary>
public static class DTypes
{
    private static readonly Dictionary<string, DType> ByName =
        Enum.GetValues<DType>().ToDictionary(type => type.Name(), StringComparer.Ordinal);

    /// <summary>Bits of one element; not a multiple of 8 for the packed types F4, F6_E2M3 and F6_E3M2.</summary>
    public static int Bits(this DType type) => type switch
    {
        DType.F4 => 4,
        DType.F6E2M3 or DType.F6E3M2 => 6,
        DType.Bool or DType.U8 or DType.I8 or DType.F8E5M2 or DType.F8E4M3 or DType.F8E8M0 or DType.F8E4M3Fnuz or DType.F8E5M2Fnuz => 8,
        DType.I16 or DType.U16 or DType.F16 or DType.BF16 => 16,
        DType.I32 or DType.U32 or DType.F32 => 32,
        DType.F64 or DType.I64 or DType.U64 or DType.C64 => 64,
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "not a safetensors element type"),
    };

    /// <summary>Bytes of one element.</summary>
    /// <exception cref="OllmException">The type packs several elements into a byte.</exception>
    public static int Size(this DType type) => type.Bits() is int bits && bits % 8 == 0
        ? bits / 8
        : throw new OllmException($"dtype {type.Name()} has elements of {bits} bits; only types of whole bytes can be computed with");

    /// <summary>The name in a safetensors header, for example <c>BF16</c> or <c>F8_E4M3</c>.</summary>
    public static string Name(this DType type) => type switch
    {
        DType.Bool => "BOOL",
        DType.F4 => "F4",
        DType.F6E2M3 => "F6_E2M3",
        DType.F6E3M2 => "F6_E3M2",
        DType.F8E5M2 => "F8_E5M2",
        DType.F8E4M3 => "F8_E4M3",
        DType.F8E8M0 => "F8_E8M0",
        DType.F8E4M3Fnuz => "F8_E4M3FNUZ",
        DType.F8E5M2Fnuz => "F8_E5M2FNUZ",
        _ => type.ToString(),
    };

    /// <summary>Parses a header name; false when the format does not know it.</summary>
    public static bool TryParse([NotNullWhen(true)] string? name, out DType type)
    {
        type = default;
        return name is not null && ByName.TryGetValue(name, out type);
    }
}
