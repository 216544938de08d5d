using System.Numerics;
using OllmNative.Runtime.Language;

namespace OllmNative.Tests.Samples;

/// <summary>Generic kernels, operations as structs, static abstract members, specialised values.</summary>
internal static class GenericSamples
{
    private interface IFunction<T> where T : struct
    {
        T Compute(Index1D index, int value);
    }

    private readonly struct Closure(long offset) : IFunction<long>
    {
        public long Offset { get; } = offset;
        public long Compute(Index1D index, int value) => Offset + value * index;
    }

    private static void Apply<TFunction, T>(Index1D i, ArrayView<T> data, int value, TFunction function) where TFunction : struct, IFunction<T> where T : unmanaged =>
        data[i] = function.Compute(i, value);

    public static void Operation_AsAStructWithState(Accelerator accelerator)
    {
        var kernel = accelerator.LoadAutoGroupedStreamKernel<Index1D, ArrayView<long>, int, Closure>(Apply);
        using var buffer = accelerator.Allocate1D<long>(64);
        kernel((int)buffer.Length, buffer.View, 3, new Closure(20));
        Assert.Equal(Enumerable.Range(0, 64).Select(i => 20L + 3 * i), buffer.GetAsArray1D());
    }

    private interface ICalculation<T> where T : INumber<T>
    {
        static abstract T Calculate(T left, T right);
    }

    private readonly struct Addition : ICalculation<int>
    {
        public static int Calculate(int left, int right) => left + right;
    }

    private readonly struct Multiplication : ICalculation<float>
    {
        public static float Calculate(float left, float right) => left * right;
    }

    private static void Calculate<T, TCalculation>(Index1D i, ArrayView1D<T, Stride1D.Dense> input, ArrayView1D<T, Stride1D.Dense> output)
        where T : unmanaged, INumber<T> where TCalculation : struct, ICalculation<T> => output[i] = TCalculation.Calculate(input[i], input[i]);

    private static void Calculate<T, TCalculation>(Accelerator accelerator) where T : unmanaged, INumber<T> where TCalculation : struct, ICalculation<T>
    {
        T[] values = [.. Enumerable.Range(0, 16).Select(x => T.CreateChecked(x))];
        using var input = accelerator.Allocate1D(values);
        using var output = accelerator.Allocate1D<T>(values.Length);
        output.MemSetToZero();
        accelerator.LoadAutoGroupedStreamKernel<Index1D, ArrayView1D<T, Stride1D.Dense>, ArrayView1D<T, Stride1D.Dense>>(Calculate<T, TCalculation>)(16, input.View, output.View);
        accelerator.Synchronize();
        Assert.Equal(values.Select(x => TCalculation.Calculate(x, x)), output.GetAsArray1D());
    }

    public static void StaticAbstract_Members(Accelerator accelerator)
    {
        Calculate<int, Addition>(accelerator);
        Calculate<float, Multiplication>(accelerator);
    }

    private static void Norm<T>(Index1D i, ArrayView<T> view, T scale) where T : unmanaged, INumber<T>
    {
        T x = view[i];
        if (x < T.Zero) x = -x;
        view[i] = x * scale + T.One + T.Max(x, scale);
    }

    private static void Norm<T>(Accelerator accelerator) where T : unmanaged, INumber<T>
    {
        T[] values = [.. Enumerable.Range(-5, 11).Select(x => T.CreateChecked(x))];
        T scale = T.CreateChecked(2);
        using var buffer = accelerator.Allocate1D(values);
        accelerator.LoadAutoGroupedStreamKernel<Index1D, ArrayView<T>, T>(Norm)(11, buffer.View, scale);
        Assert.Equal(values.Select(x => T.Abs(x) * scale + T.One + T.Max(T.Abs(x), scale)), buffer.GetAsArray1D());
    }

    public static void GenericMath_INumber(Accelerator accelerator)
    {
        Norm<int>(accelerator);
        Norm<float>(accelerator);
        Norm<double>(accelerator);
        Norm<long>(accelerator);
    }

    private interface ISize
    {
        int Size { get; }
    }

    private struct Size32 : ISize
    {
        public int Size => 32;
    }

    private static void Shared<TSize>(ArrayView<int> output) where TSize : struct, ISize
    {
        var size = new TSize();
        var shared = SharedMemory.Allocate<int>(size.Size);
        shared[Group.IdxX] = Group.IdxX;
        Group.Barrier();
        output[Grid.GlobalIndex.X] = shared.IntLength + shared[size.Size - 1 - Group.IdxX];
    }

    public static void SharedMemory_SizeFromAStruct(Accelerator accelerator)
    {
        using var output = accelerator.Allocate1D<int>(32);
        accelerator.LoadStreamKernel<ArrayView<int>>(Shared<Size32>)((1, 32), output.View);
        Assert.Equal(Enumerable.Range(0, 32).Select(i => 63 - i), output.GetAsArray1D());
    }

    private static void Power(Index1D i, ArrayView<int> data, SpecializedValue<int> exponent)
    {
        int power = 1;
        for (int k = 0; k < exponent; k++) power *= data[i];
        data[i] = power;
    }

    public static void SpecializedValue_InALoop(Accelerator accelerator)
    {
        var kernel = accelerator.LoadAutoGroupedStreamKernel<Index1D, ArrayView<int>, SpecializedValue<int>>(Power);
        foreach (int exponent in new[] { 0, 1, 4, 1 })
        {
            using var buffer = accelerator.Allocate1D(Enumerable.Range(0, 9).ToArray());
            kernel(9, buffer.View, SpecializedValue.New(exponent));
            Assert.Equal(Enumerable.Range(0, 9).Select(x => (int)Math.Pow(x, exponent)), buffer.GetAsArray1D());
        }
    }

    /// <summary>A kernel in a generic class, with a policy of its own.</summary>
    private static class Filter<T, TPolicy> where T : unmanaged where TPolicy : struct, IPolicy<T>
    {
        public static void Run(Index1D i, ArrayView<T> data, ArrayView<int> kept)
        {
            TPolicy policy = default;
            if (policy.Keep(data[i])) Atomic.Add(ref kept[0], 1);
            else data[i] = default;
        }
    }

    private interface IPolicy<T>
    {
        bool Keep(T value);
    }

    private struct Positive : IPolicy<float>
    {
        public readonly bool Keep(float value) => value > 0;
    }

    public static void Kernel_InAGenericClass(Accelerator accelerator)
    {
        using var data = accelerator.Allocate1D([1f, -2, 3, -4, 5]);
        using var kept = accelerator.Allocate1D<int>(1);
        kept.MemSetToZero();
        accelerator.LoadAutoGroupedStreamKernel<Index1D, ArrayView<float>, ArrayView<int>>(Filter<float, Positive>.Run)(5, data.View, kept.View);
        Assert.Equal([1f, 0, 3, 0, 5], data.GetAsArray1D());
        Assert.Equal([3], kept.GetAsArray1D());
    }

    private static void Sizes<T>(Index1D i, ArrayView<int> sizes) where T : unmanaged
    {
        sizes[0] = Interop.SizeOf<T>();
        sizes[1] = typeof(T) == typeof(double) ? 64 : 0;
        sizes[2] = ArrayView<T>.ElementSize;
    }

    public static void Types_ComparedInKernels(Accelerator accelerator)
    {
        using var sizes = accelerator.Allocate1D<int>(3);
        accelerator.LoadAutoGroupedStreamKernel<Index1D, ArrayView<int>>(Sizes<double>)(1, sizes.View);
        Assert.Equal([8, 64, 8], sizes.GetAsArray1D());
        accelerator.LoadAutoGroupedStreamKernel<Index1D, ArrayView<int>>(Sizes<short>)(1, sizes.View);
        Assert.Equal([2, 0, 2], sizes.GetAsArray1D());
    }
}
