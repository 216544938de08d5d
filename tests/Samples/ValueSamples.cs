using OllmNative.Runtime.Language;
using Half = OllmNative.Runtime.Language.Half;

namespace OllmNative.Tests.Samples;

/// <summary>Numbers of every width, structs, and constants.</summary>
internal static class ValueSamples
{
    private readonly struct Complex(float re, float im)
    {
        public float Re { get; } = re;
        public float Im { get; } = im;
        public float Norm => Re * Re + Im * Im;

        public static Complex operator +(Complex a, Complex b) => new(a.Re + b.Re, a.Im + b.Im);
        public static Complex operator *(Complex a, Complex b) => new(a.Re * b.Re - a.Im * b.Im, a.Re * b.Im + a.Im * b.Re);
    }

    private static void Mandelbrot(Index1D i, ArrayView<Complex> points, ArrayView<int> rounds, int most)
    {
        Complex c = points[i], z = default;
        int n = 0;
        while (n < most && z.Norm < 4)
        {
            z = z * z + c;
            n++;
        }
        rounds[i] = n;
    }

    public static void Operators_AndProperties(Accelerator accelerator)
    {
        Complex[] points = [.. Enumerable.Range(0, 40).Select(i => new Complex(i * 0.0625f - 2, i * 0.03125f - 0.5f))];
        using var input = accelerator.Allocate1D(points);
        using var rounds = accelerator.Allocate1D<int>(points.Length);
        accelerator.LoadAutoGroupedStreamKernel<Index1D, ArrayView<Complex>, ArrayView<int>, int>(Mandelbrot)(points.Length, input.View, rounds.View, 20);
        int[] result = rounds.GetAsArray1D();
        Assert.Equal(20, result[31]);
        Assert.Equal(1, result[0]);
        Assert.True(result.Distinct().Count() > 4);
    }

    private struct Inner
    {
        public byte Small;
        public double Large;
    }

    private struct Outer
    {
        public short Id;
        public Inner Inside;
        public bool Flag;
        public (int Low, long High) Pair;
    }

    private static void Nested(Index1D i, ArrayView<Outer> values, Outer change)
    {
        ref Outer value = ref values[i];
        value.Inside.Large += change.Inside.Large;
        value.Inside.Small++;
        value.Flag = !value.Flag;
        Outer copy = value;
        copy.Id = (short)(copy.Id * change.Id);
        copy.Pair = (copy.Pair.Low + 1, copy.Pair.High << 33);
        values[i] = copy;
    }

    public static void Structs_Nested(Accelerator accelerator)
    {
        Outer[] values = [.. Enumerable.Range(0, 5).Select(i => new Outer { Id = (short)(i * 9000), Flag = i % 2 == 0, Pair = (i, i), Inside = new Inner { Small = (byte)(253 + i), Large = i } })];
        using var buffer = accelerator.Allocate1D(values);
        accelerator.LoadAutoGroupedStreamKernel<Index1D, ArrayView<Outer>, Outer>(Nested)(5, buffer.View, new Outer { Id = 3, Inside = new Inner { Large = 0.5 } });
        Outer[] result = buffer.GetAsArray1D();
        for (int i = 0; i < 5; i++)
        {
            Assert.Equal((short)(i * 27000), result[i].Id);
            Assert.Equal((byte)(254 + i), result[i].Inside.Small);
            Assert.Equal((i + 0.5, i % 2 != 0, (i + 1, (long)i << 33)), (result[i].Inside.Large, result[i].Flag, result[i].Pair));
        }
    }

    private unsafe struct Block
    {
        public fixed double First[2];
        public fixed int Second[3];
    }

    private static unsafe void Fixed(Index1D i, ArrayView1D<Block, Stride1D.Dense> view)
    {
        view[i].First[0] = 11 + i;
        view[i].First[1] = 22;
        view[i].Second[0] = 33;
        view[i].Second[2] = view[i].Second[0] + i;
    }

    public static unsafe void FixedBuffers(Accelerator accelerator)
    {
        using var buffer = accelerator.Allocate1D<Block>(4);
        buffer.MemSetToZero();
        accelerator.LoadAutoGroupedStreamKernel<Index1D, ArrayView1D<Block, Stride1D.Dense>>(Fixed)((int)buffer.Length, buffer.View);
        Block[] result = buffer.GetAsArray1D();
        for (int i = 0; i < 4; i++) Assert.Equal((11.0 + i, 22.0, 33, 0, 33 + i), (result[i].First[0], result[i].First[1], result[i].Second[0], result[i].Second[1], result[i].Second[2]));
    }

    private static void Widths(Index1D i, ArrayView<long> input, ArrayView<long> output)
    {
        long x = input[i];
        unchecked
        {
            output[i * 8] = (sbyte)x;
            output[i * 8 + 1] = (byte)x * (ushort)x;
            output[i * 8 + 2] = (short)x >> 3;
            output[i * 8 + 3] = (uint)x / 7 + (uint)x % 5;
            output[i * 8 + 4] = (long)((ulong)x >> 60);
            output[i * 8 + 5] = (char)x + (int)x;
            output[i * 8 + 6] = (long)(float)x;
            output[i * 8 + 7] = (int)(uint)x < 0 ? -(x % 1000) : ~x;
        }
    }

    public static void Integers_OfEveryWidth(Accelerator accelerator)
    {
        long[] values = [0, 1, -1, 127, 128, 255, -32769, 65535, int.MaxValue, int.MinValue, uint.MaxValue, 1L << 40, -(1L << 50) + 12345];
        using var input = accelerator.Allocate1D(values);
        using var output = accelerator.Allocate1D<long>(values.Length * 8);
        accelerator.LoadAutoGroupedStreamKernel<Index1D, ArrayView<long>, ArrayView<long>>(Widths)(values.Length, input.View, output.View);
        unchecked
        {
            Assert.Equal(values.SelectMany(x => new[]
            {
                (sbyte)x, (byte)x * (ushort)x, (short)x >> 3, (uint)x / 7 + (uint)x % 5, (long)((ulong)x >> 60), (char)x + (int)x, (long)(float)x, (int)(uint)x < 0 ? -(x % 1000) : ~x,
            }), output.GetAsArray1D());
        }
    }

    private const int Literal = 3;
    private static readonly int s_readOnly = Environment.ProcessorCount;
    private static readonly (float Scale, int Shift) s_pair = (0.5f, 2);

    private static void Constants(Index1D i, ArrayView<float> view) => view[i] = Literal * s_readOnly + s_pair.Scale * (i << s_pair.Shift);

    public static void Constants_LiteralAndReadOnly(Accelerator accelerator)
    {
        using var buffer = accelerator.Allocate1D<float>(6);
        accelerator.LoadAutoGroupedStreamKernel<Index1D, ArrayView<float>>(Constants)(6, buffer.View);
        Assert.Equal(Enumerable.Range(0, 6).Select(i => 3f * Environment.ProcessorCount + 2 * i), buffer.GetAsArray1D());
    }

    private enum Shape : byte
    {
        Square,
        Circle,
    }

    private static void Area(Index1D i, ArrayView<Shape> shapes, ArrayView<int> areas) => areas[i] = shapes[i] == Shape.Circle ? 3 * i * i : i * i;

    public static void Enums_InViews(Accelerator accelerator)
    {
        using var shapes = accelerator.Allocate1D([Shape.Square, Shape.Circle, Shape.Square, Shape.Circle]);
        using var areas = accelerator.Allocate1D<int>(4);
        accelerator.LoadAutoGroupedStreamKernel<Index1D, ArrayView<Shape>, ArrayView<int>>(Area)(4, shapes.View, areas.View);
        Assert.Equal([0, 3, 4, 27], areas.GetAsArray1D());
    }

    private static void Halves(Index1D i, ArrayView<Half> values, ArrayView<float> sums)
    {
        Half x = values[i];
        sums[i] = (float)(x * x + x) - x;
        values[i] = (Half)(2 * (float)x);
    }

    public static void Half_Arithmetic(Accelerator accelerator)
    {
        Half[] values = [.. Enumerable.Range(-4, 9).Select(i => (Half)(i * 0.25f))];
        using var buffer = accelerator.Allocate1D(values);
        using var sums = accelerator.Allocate1D<float>(values.Length);
        accelerator.LoadAutoGroupedStreamKernel<Index1D, ArrayView<Half>, ArrayView<float>>(Halves)(values.Length, buffer.View, sums.View);
        Assert.Equal(values.Select(x => (float)x * x), sums.GetAsArray1D());
        Assert.Equal(values.Select(x => 2 * (float)x), buffer.GetAsArray1D().Select(x => (float)x));
    }

    private static void Bits(Index1D i, ArrayView<float> floats, ArrayView<double> doubles, ArrayView<uint> signs)
    {
        uint bits = Interop.FloatAsInt(floats[i]);
        floats[i] = Interop.IntAsFloat(bits ^ 0x80000000u);
        doubles[i] = Interop.IntAsFloat(Interop.FloatAsInt(doubles[i]) & (ulong)long.MaxValue);
        signs[i] = bits >> 31;
    }

    public static void Interop_BitCasts(Accelerator accelerator)
    {
        using var floats = accelerator.Allocate1D([1.5f, -2f, 0f]);
        using var doubles = accelerator.Allocate1D([-1.5, 2, -0.25]);
        using var signs = accelerator.Allocate1D<uint>(3);
        accelerator.LoadAutoGroupedStreamKernel<Index1D, ArrayView<float>, ArrayView<double>, ArrayView<uint>>(Bits)(3, floats.View, doubles.View, signs.View);
        Assert.Equal([-1.5f, 2f, -0f], floats.GetAsArray1D());
        Assert.Equal([1.5, 2, 0.25], doubles.GetAsArray1D());
        Assert.Equal([0u, 1u, 0u], signs.GetAsArray1D());
    }
}
