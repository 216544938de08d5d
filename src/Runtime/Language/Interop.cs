using System.Globalization;
using System.Runtime.CompilerServices;

namespace OllmNative.Runtime.Language;

/// <summary>Bits, sizes, and printing from kernels.</summary>
public static class Interop
{
    public static int SizeOf<T>() where T : unmanaged => Unsafe.SizeOf<T>();
    public static int SizeOf<T>(T structure) where T : unmanaged => Unsafe.SizeOf<T>();

    /// <summary>Where a field of a struct lies in it, in bytes. In a kernel the name must be a constant.</summary>
    /// <exception cref="ArgumentException">There is no such field.</exception>
    public static int OffsetOf<T>(string fieldName) where T : unmanaged => Compiler.Frontend.TypeLayout.Of(typeof(T)).OffsetOf(fieldName)
        ?? throw new ArgumentException($"{typeof(T).Name} has no field {fieldName}", nameof(fieldName));

    public static ushort FloatAsInt(Half value) => value.RawValue;
    public static Half IntAsFloat(ushort value) => Half.FromRawValue(value);
    public static uint FloatAsInt(float value) => BitConverter.SingleToUInt32Bits(value);
    public static ulong FloatAsInt(double value) => BitConverter.DoubleToUInt64Bits(value);
    public static float IntAsFloat(uint value) => BitConverter.UInt32BitsToSingle(value);
    public static double IntAsFloat(ulong value) => BitConverter.UInt64BitsToDouble(value);

    public static void Write(string expression) => Console.Error.Write(expression);
    public static void WriteLine(string expression) => Console.Error.WriteLine(expression);
    public static void Write<T1, T2>(string format, T1 arg1, T2 arg2) where T1 : unmanaged where T2 : unmanaged =>
        Console.Error.Write(string.Format(CultureInfo.InvariantCulture, format, arg1, arg2));
    public static void WriteLine<T1, T2, T3, T4>(string format, T1 arg1, T2 arg2, T3 arg3, T4 arg4)
        where T1 : unmanaged where T2 : unmanaged where T3 : unmanaged where T4 : unmanaged =>
        Console.Error.WriteLine(string.Format(CultureInfo.InvariantCulture, format, arg1, arg2, arg3, arg4));
    public static void Write<T1>(string format, T1 arg1) where T1 : unmanaged =>
        Console.Error.Write(string.Format(CultureInfo.InvariantCulture, format, arg1));
    public static void WriteLine<T1>(string format, T1 arg1) where T1 : unmanaged =>
        Console.Error.WriteLine(string.Format(CultureInfo.InvariantCulture, format, arg1));
    public static void WriteLine<T1, T2>(string format, T1 arg1, T2 arg2) where T1 : unmanaged where T2 : unmanaged =>
        Console.Error.WriteLine(string.Format(CultureInfo.InvariantCulture, format, arg1, arg2));
    public static void WriteLine<T1, T2, T3>(string format, T1 arg1, T2 arg2, T3 arg3) where T1 : unmanaged where T2 : unmanaged where T3 : unmanaged =>
        Console.Error.WriteLine(string.Format(CultureInfo.InvariantCulture, format, arg1, arg2, arg3));
}
