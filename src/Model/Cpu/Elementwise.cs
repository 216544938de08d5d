using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace OllmNative.Model.Cpu;

public sealed unsafe partial class CpuDevice
{
    /// <summary>A function of up to two operands, written once for a vector and once for the scalar tail.</summary>
    private interface IElementwise
    {
        static abstract Vector256<float> Apply(Vector256<float> a, Vector256<float> b, float scalar);
        static abstract float Apply(float a, float b, float scalar);
    }

    /// <inheritdoc/>
    public override void SwiGlu(DeviceView<float> gate, DeviceView<float> up, DeviceView<float> output) => Map<SwiGluOp>(gate, up, output);

    /// <inheritdoc/>
    public override void Add(DeviceView<float> a, DeviceView<float> b, DeviceView<float> output) => Map<AddOp>(a, b, output);

    /// <inheritdoc/>
    public override void Silu(DeviceView<float> x, DeviceView<float> output) => Map<SiluOp>(x, x, output);

    /// <inheritdoc/>
    public override void SiluBackward(DeviceView<float> x, DeviceView<float> dy, DeviceView<float> dx) => Map<SiluBackwardOp>(x, dy, dx);

    /// <inheritdoc/>
    public override void Scale(DeviceView<float> x, float scale) => Map<ScaleOp>(x, x, x, scale);

    /// <inheritdoc/>
    public override void Clear(DeviceView<float> x)
    {
        for (long i = 0; i < x.Length; i += int.MaxValue)
            new Span<float>(P(x) + i, (int)Math.Min(int.MaxValue, x.Length - i)).Clear();
    }

    /// <inheritdoc/>
    public override void Copy(DeviceView<float> source, DeviceView<float> destination)
    {
        Expect(source.Length == destination.Length, "Copy: equal lengths");
        Buffer.MemoryCopy(P(source), P(destination), destination.Length * sizeof(float), source.Length * sizeof(float));
    }

    private void Map<TOp>(DeviceView<float> a, DeviceView<float> b, DeviceView<float> output, float scalar = 0) where TOp : struct, IElementwise
    {
        Expect(a.Length == output.Length && b.Length == output.Length, "elementwise operands have equal lengths");
        const int PerItem = 16384;
        _pool.For(Items(output.Length, PerItem), new MapBody<TOp> { A = P(a), B = P(b), Output = P(output), Length = output.Length, PerItem = PerItem, Scalar = scalar });
    }

    private struct MapBody<TOp> : IParallelBody where TOp : struct, IElementwise
    {
        public float* A, B, Output;
        public long Length;
        public int PerItem;
        public float Scalar;

[MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public readonly void Run(int index, int thread)
        {
            long i = (long)index * PerItem, end = Math.Min(Length, i + PerItem);
            for (; i + 8 <= end; i += 8) TOp.Apply(Vector256.Load(A + i), Vector256.Load(B + i), Scalar).Store(Output + i);
            for (; i < end; i++) Output[i] = TOp.Apply(A[i], B[i], Scalar);
        }
    }

    private static Vector256<float> Sigmoid(Vector256<float> x) => Vector256<float>.One / (Vector256<float>.One + Exponential.Of(-x));

    private static float Sigmoid(float x) => 1 / (1 + MathF.Exp(-x));

    private struct AddOp : IElementwise
    {
        public static Vector256<float> Apply(Vector256<float> a, Vector256<float> b, float scalar) => a + b;
        public static float Apply(float a, float b, float scalar) => a + b;
    }

    private struct ScaleOp : IElementwise
    {
        public static Vector256<float> Apply(Vector256<float> a, Vector256<float> b, float scalar) => a * scalar;
        public static float Apply(float a, float b, float scalar) => a * scalar;
    }

    private struct SiluOp : IElementwise
    {
        public static Vector256<float> Apply(Vector256<float> a, Vector256<float> b, float scalar) => a * Sigmoid(a);
        public static float Apply(float a, float b, float scalar) => a * Sigmoid(a);
    }

    private struct SwiGluOp : IElementwise
    {
        public static Vector256<float> Apply(Vector256<float> a, Vector256<float> b, float scalar) => a * Sigmoid(a) * b;
        public static float Apply(float a, float b, float scalar) => a * Sigmoid(a) * b;
    }

    private struct SiluBackwardOp : IElementwise
    {
        public static Vector256<float> Apply(Vector256<float> a, Vector256<float> b, float scalar)
        {
            Vector256<float> s = Sigmoid(a);
            return b * s * (Vector256<float>.One + a * (Vector256<float>.One - s));
        }

        public static float Apply(float a, float b, float scalar)
        {
            float s = Sigmoid(a);
            return b * s * (1 + a * (1 - s));
        }
    }
}
