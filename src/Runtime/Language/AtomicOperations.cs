namespace OllmNative.Runtime.Language;

/// <summary>What <see cref="Atomic.MakeAtomic"/> is to do.</summary>
public interface IAtomicOperation<T> where T : unmanaged
{
    /// <summary>The new value, of the one that is there and the one given.</summary>
    T Operation(T current, T value);
}

/// <summary>How <see cref="Atomic.MakeAtomic"/> exchanges values of a type.</summary>
public interface ICompareExchangeOperation<T> where T : unmanaged
{
    /// <summary>Stores <paramref name="value"/> if the target is <paramref name="compare"/>; returns what was there.</summary>
    T CompareExchange(ref T target, T compare, T value);

    /// <summary>Whether two values are the same, so that the exchange has happened.</summary>
    bool IsSame(T left, T right);
}

/// <summary>Exchanges of int.</summary>
public readonly struct CompareExchangeInt32 : ICompareExchangeOperation<int>
{
    public int CompareExchange(ref int target, int compare, int value) => Atomic.CompareExchange(ref target, compare, value);
    public bool IsSame(int left, int right) => left == right;
}

/// <summary>Exchanges of uint.</summary>
public readonly struct CompareExchangeUInt32 : ICompareExchangeOperation<uint>
{
    public uint CompareExchange(ref uint target, uint compare, uint value) => Atomic.CompareExchange(ref target, compare, value);
    public bool IsSame(uint left, uint right) => left == right;
}

/// <summary>Exchanges of long.</summary>
public readonly struct CompareExchangeInt64 : ICompareExchangeOperation<long>
{
    public long CompareExchange(ref long target, long compare, long value) => Atomic.CompareExchange(ref target, compare, value);
    public bool IsSame(long left, long right) => left == right;
}

/// <summary>Exchanges of ulong.</summary>
public readonly struct CompareExchangeUInt64 : ICompareExchangeOperation<ulong>
{
    public ulong CompareExchange(ref ulong target, ulong compare, ulong value) => Atomic.CompareExchange(ref target, compare, value);
    public bool IsSame(ulong left, ulong right) => left == right;
}

/// <summary>Exchanges of float.</summary>
public readonly struct CompareExchangeFloat : ICompareExchangeOperation<float>
{
    public float CompareExchange(ref float target, float compare, float value) => Atomic.CompareExchange(ref target, compare, value);
    public bool IsSame(float left, float right) => Interop.FloatAsInt(left) == Interop.FloatAsInt(right);
}

/// <summary>Exchanges of double.</summary>
public readonly struct CompareExchangeDouble : ICompareExchangeOperation<double>
{
    public double CompareExchange(ref double target, double compare, double value) => Atomic.CompareExchange(ref target, compare, value);
    public bool IsSame(double left, double right) => Interop.FloatAsInt(left) == Interop.FloatAsInt(right);
}
