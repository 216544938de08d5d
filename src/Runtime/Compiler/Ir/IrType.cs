namespace OllmNative.Runtime.Compiler.Ir;

/// <summary>
/// The types of the IR. Registers hold I1, I32, I64, F32, F64 and Ptr; the narrow ones (and U8, U16) say how memory is read or
/// written: a value of them is an I32 register, sign- or zero-extended as in IL. 16-bit floats are bit patterns (U16) with conversions. Map: a tensor map,
/// 128 bytes of parameter memory; its value is their address.
/// </summary>
internal enum IrType : byte { Void, I1, I8, U8, I16, U16, I32, I64, F32, F64, Ptr, Map }

/// <summary>Where a pointer points. Generic: anywhere, decided at run time.</summary>
internal enum AddressSpace : byte { Unknown, Global, Shared, Local, Generic }

internal static class IrTypes
{
    public static int Size(this IrType type) => type switch
    {
        IrType.I1 or IrType.I8 or IrType.U8 => 1,
        IrType.I16 or IrType.U16 => 2,
        IrType.I32 or IrType.F32 => 4,
        IrType.I64 or IrType.F64 or IrType.Ptr => 8,
        IrType.Map => 128,
        _ => 0,
    };

    /// <summary>The register type that holds a value of a memory type.</summary>
    public static IrType InRegister(this IrType type) => type switch
    {
        IrType.I8 or IrType.U8 or IrType.I16 or IrType.U16 => IrType.I32,
        IrType.Map => IrType.Ptr,
        _ => type,
    };

    public static bool IsFloat(this IrType type) => type is IrType.F32 or IrType.F64;

    public static bool IsInteger(this IrType type) => type is IrType.I32 or IrType.I64;

    public static string Text(this IrType type) => type.ToString().ToLowerInvariant();
}
