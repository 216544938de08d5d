using OllmNative.Runtime.Language;

namespace OllmNative.Tests.Samples;

/// <summary>Atomics, built in and made.</summary>
internal static class AtomicSamples
{
    private static void All(Index1D i, ArrayView<int> view, int constant)
    {
        Atomic.Add(ref view[0], constant);
        Atomic.Max(ref view[1], i);
        Atomic.Min(ref view[2], -i);
        Atomic.And(ref view[3], ~(1 << (i % 8)));
        Atomic.Or(ref view[4], 1 << (i % 16));
        Atomic.Xor(ref view[5], i);
        Atomic.Exchange(ref view[6], constant);
    }

    public static void Integers_EveryOperation(Accelerator accelerator)
    {
        using var buffer = accelerator.Allocate1D([0, int.MinValue, int.MaxValue, -1, 0, 0, 0]);
        accelerator.LoadAutoGroupedStreamKernel<Index1D, ArrayView<int>, int>(All)(100, buffer.View, 4);
        Assert.Equal([400, 99, -99, ~255, 65535, Enumerable.Range(0, 100).Aggregate((a, b) => a ^ b), 4], buffer.GetAsArray1D());
    }

    private static void Wide(Index1D i, ArrayView<long> signed, ArrayView<ulong> unsigned, ArrayView<uint> words, ArrayView<float> floats)
    {
        Atomic.Add(ref signed[0], 1L << 40);
        Atomic.Min(ref signed[1], -(long)i.X);
        Atomic.Max(ref unsigned[0], ulong.MaxValue - (ulong)i.X);
        Atomic.Add(ref words[0], uint.MaxValue);
        Atomic.Add(ref floats[0], 0.5f);
        Atomic.Max(ref floats[1], i * 0.25f);
    }

    public static void OtherTypes_LongUnsignedFloat(Accelerator accelerator)
    {
        using var signed = accelerator.Allocate1D(new long[2]);
        using var unsigned = accelerator.Allocate1D(new ulong[1]);
        using var words = accelerator.Allocate1D(new uint[1]);
        using var floats = accelerator.Allocate1D(new float[2]);
        accelerator.LoadAutoGroupedStreamKernel<Index1D, ArrayView<long>, ArrayView<ulong>, ArrayView<uint>, ArrayView<float>>(Wide)(50, signed.View, unsigned.View, words.View, floats.View);
        Assert.Equal([50L << 40, -49], signed.GetAsArray1D());
        Assert.Equal([ulong.MaxValue], unsigned.GetAsArray1D());
        Assert.Equal([unchecked((uint)-50)], words.GetAsArray1D());
        Assert.Equal([25, 12.25f], floats.GetAsArray1D());
    }

    private struct AddDouble : IAtomicOperation<double>
    {
        public readonly double Operation(double current, double value) => current + value;
    }

    private struct ExchangeDouble : ICompareExchangeOperation<double>
    {
        public readonly double CompareExchange(ref double target, double compare, double value) => Atomic.CompareExchange(ref target, compare, value);
        public readonly bool IsSame(double left, double right) => left == right;
    }

    private struct SaturatingAdd : IAtomicOperation<int>
    {
        public readonly int Operation(int current, int value) => XMath.Min(current + value, 100);
    }

    private static void Made(Index1D i, ArrayView<double> doubles, ArrayView<int> ints, double value)
    {
        Atomic.MakeAtomic(ref doubles[0], value, new AddDouble(), new ExchangeDouble());
        Atomic.MakeAtomic(ref doubles[1], value, new AddDouble(), new CompareExchangeDouble());
        Atomic.Add(ref doubles[2], value);
        Atomic.MakeAtomic(ref ints[0], i, new SaturatingAdd(), new CompareExchangeInt32());
    }

    public static void MakeAtomic_OwnOperations(Accelerator accelerator)
    {
        using var doubles = accelerator.Allocate1D<double>(3);
        using var ints = accelerator.Allocate1D<int>(1);
        doubles.MemSetToZero();
        ints.MemSetToZero();
        accelerator.LoadAutoGroupedStreamKernel<Index1D, ArrayView<double>, ArrayView<int>, double>(Made)(64, doubles.View, ints.View, 2.0);
        Assert.Equal([128.0, 128, 128], doubles.GetAsArray1D());
        Assert.Equal([100], ints.GetAsArray1D());
    }

    private static void Lock(Index1D i, ArrayView<int> ticket, ArrayView<int> order)
    {
        int mine = Atomic.Add(ref ticket[0], 1);
        int seen = ticket[1];
        while (true)
        {
            int before = Atomic.CompareExchange(ref ticket[1], seen, seen + mine);
            if (before == seen) break;
            seen = before;
        }
        order[mine] = i;
        MemoryFence.DeviceLevel();
    }

    public static void CompareExchange_InALoop(Accelerator accelerator)
    {
        using var ticket = accelerator.Allocate1D(new int[2]);
        using var order = accelerator.Allocate1D<int>(80);
        accelerator.LoadAutoGroupedStreamKernel<Index1D, ArrayView<int>, ArrayView<int>>(Lock)(80, ticket.View, order.View);
        Assert.Equal([80, 80 * 79 / 2], ticket.GetAsArray1D());
        Assert.Equal(Enumerable.Range(0, 80), order.GetAsArray1D().Order());
    }
}
