using System.Runtime.CompilerServices;
using OllmNative.Runtime.Emulator;

namespace OllmNative.Runtime.Language;

/// <summary>
/// Read-modify-write operations that no other thread interrupts, on cells of shared or global memory. Each returns the value before.
/// Floating-point sums depend on the order of the threads, in their last bits.
/// </summary>
public static class Atomic
{
    public static int Add(ref int target, int value) => Done(ref target, unchecked(Interlocked.Add(ref target, value) - value));
    public static long Add(ref long target, long value) => Done(ref target, unchecked(Interlocked.Add(ref target, value) - value));
    public static uint Add(ref uint target, uint value) => Done(ref target, unchecked(Interlocked.Add(ref target, value) - value));
    public static ulong Add(ref ulong target, ulong value) => Done(ref target, unchecked(Interlocked.Add(ref target, value) - value));
    public static Index1D Add(ref Index1D target, Index1D value) => Add(ref Unsafe.As<Index1D, int>(ref target), value.X);
    public static float Add(ref float target, float value) => Update(ref target, value, static (a, b) => a + b);
    public static double Add(ref double target, double value) => Update(ref target, value, static (a, b) => a + b);

    public static int Max(ref int target, int value) => Update(ref target, value, static (a, b) => a > b ? a : b);
    public static long Max(ref long target, long value) => Update(ref target, value, static (a, b) => a > b ? a : b);
    public static uint Max(ref uint target, uint value) => Update(ref target, value, static (a, b) => a > b ? a : b);
    public static ulong Max(ref ulong target, ulong value) => Update(ref target, value, static (a, b) => a > b ? a : b);
    public static float Max(ref float target, float value) => Update(ref target, value, MathF.Max);
    public static double Max(ref double target, double value) => Update(ref target, value, Math.Max);

    public static int Min(ref int target, int value) => Update(ref target, value, static (a, b) => a < b ? a : b);
    public static long Min(ref long target, long value) => Update(ref target, value, static (a, b) => a < b ? a : b);
    public static uint Min(ref uint target, uint value) => Update(ref target, value, static (a, b) => a < b ? a : b);
    public static ulong Min(ref ulong target, ulong value) => Update(ref target, value, static (a, b) => a < b ? a : b);
    public static float Min(ref float target, float value) => Update(ref target, value, MathF.Min);
    public static double Min(ref double target, double value) => Update(ref target, value, Math.Min);

    public static int And(ref int target, int value) => Done(ref target, Interlocked.And(ref target, value));
    public static long And(ref long target, long value) => Done(ref target, Interlocked.And(ref target, value));
    public static uint And(ref uint target, uint value) => Done(ref target, Interlocked.And(ref target, value));
    public static ulong And(ref ulong target, ulong value) => Done(ref target, Interlocked.And(ref target, value));

    public static int Or(ref int target, int value) => Done(ref target, Interlocked.Or(ref target, value));
    public static long Or(ref long target, long value) => Done(ref target, Interlocked.Or(ref target, value));
    public static uint Or(ref uint target, uint value) => Done(ref target, Interlocked.Or(ref target, value));
    public static ulong Or(ref ulong target, ulong value) => Done(ref target, Interlocked.Or(ref target, value));

    public static int Xor(ref int target, int value) => Update(ref target, value, static (a, b) => a ^ b);
    public static long Xor(ref long target, long value) => Update(ref target, value, static (a, b) => a ^ b);
    public static uint Xor(ref uint target, uint value) => Update(ref target, value, static (a, b) => a ^ b);
    public static ulong Xor(ref ulong target, ulong value) => Update(ref target, value, static (a, b) => a ^ b);

    public static int Exchange(ref int target, int value) => Done(ref target, Interlocked.Exchange(ref target, value));
    public static long Exchange(ref long target, long value) => Done(ref target, Interlocked.Exchange(ref target, value));
    public static uint Exchange(ref uint target, uint value) => Done(ref target, Interlocked.Exchange(ref target, value));
    public static ulong Exchange(ref ulong target, ulong value) => Done(ref target, Interlocked.Exchange(ref target, value));
    public static float Exchange(ref float target, float value) => Done(ref target, Interlocked.Exchange(ref target, value));
    public static double Exchange(ref double target, double value) => Done(ref target, Interlocked.Exchange(ref target, value));
    public static Index1D Exchange(ref Index1D target, Index1D value) => Exchange(ref Unsafe.As<Index1D, int>(ref target), value.X);

    // The names of the arguments are in ILGPU's order: what is expected, then what to store.
    public static int CompareExchange(ref int target, int compare, int value) => Done(ref target, Interlocked.CompareExchange(ref target, value, compare));
    public static long CompareExchange(ref long target, long compare, long value) => Done(ref target, Interlocked.CompareExchange(ref target, value, compare));
    public static uint CompareExchange(ref uint target, uint compare, uint value) => Done(ref target, Interlocked.CompareExchange(ref target, value, compare));
    public static ulong CompareExchange(ref ulong target, ulong compare, ulong value) => Done(ref target, Interlocked.CompareExchange(ref target, value, compare));
    public static float CompareExchange(ref float target, float compare, float value) => Done(ref target, Interlocked.CompareExchange(ref target, value, compare));
    public static double CompareExchange(ref double target, double compare, double value) => Done(ref target, Interlocked.CompareExchange(ref target, value, compare));
    public static Index1D CompareExchange(ref Index1D target, Index1D compare, Index1D value) =>
        CompareExchange(ref Unsafe.As<Index1D, int>(ref target), compare.X, value.X);

    /// <summary>
    /// Any operation, made one by comparing and exchanging until nobody came between. Returns the value before.
    /// </summary>
    public static T MakeAtomic<T, TOperation, TCompareExchangeOperation>(
        ref T target, T value, TOperation operation, TCompareExchangeOperation compareExchangeOperation)
        where T : unmanaged where TOperation : struct, IAtomicOperation<T> where TCompareExchangeOperation : struct, ICompareExchangeOperation<T>
    {
        T seen = target;
        while (true)
        {
            T before = compareExchangeOperation.CompareExchange(ref target, seen, operation.Operation(seen, value));
            if (compareExchangeOperation.IsSame(before, seen)) return before;
            seen = before;
        }
    }

    private static T Update<T>(ref T target, T value, Func<T, T, T> operation) where T : unmanaged
    {
        T seen = target;
        while (true)
        {
            T before = Interlocked.CompareExchange(ref target, operation(seen, value), seen);
            if (EqualityComparer<T>.Default.Equals(before, seen)) return Done(ref target, before);
            seen = before;
        }
    }

    private static T Done<T>(ref T target, T before) where T : unmanaged
    {
        EmulatedThread.AtomicDone(ref target);
        return before;
    }
}
