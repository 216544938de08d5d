using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace OllmNative.Model.Cpu;

public sealed unsafe partial class CpuDevice
{
    /// <inheritdoc/>
    public override void RmsNorm(DeviceView<float> x, DeviceView<float> gain, DeviceView<float> output, float eps, int outputStride = 0)
    {
        int columns = checked((int)gain.Length);
        long rows = x.Length / columns;
        int stride = outputStride == 0 ? columns : outputStride;
        Expect(x.Length == rows * columns && output.Length >= (rows - 1) * stride + columns, "RmsNorm: x [N, D], gain [D], output [N, stride]");
        int perItem = RowsPerItem(columns);
        _pool.For(Items(rows, perItem), new RmsNormBody
        {
            X = P(x), Gain = P(gain), Output = P(output), Rows = rows, Columns = columns, Stride = stride, Eps = eps, PerItem = perItem,
        });
    }

    /// <inheritdoc/>
    public override void RmsNormBackwardGain(DeviceView<float> x, DeviceView<float> dOutput, DeviceView<float> dGain, float eps, int dOutputStride = 0)
    {
        int columns = checked((int)dGain.Length);
        long rows = x.Length / columns;
        int stride = dOutputStride == 0 ? columns : dOutputStride;
        Expect(x.Length == rows * columns && dOutput.Length >= (rows - 1) * stride + columns, "RmsNormBackwardGain: x [N, D], dOutput [N, stride], dGain [D]");
        // Each row's 1 / rms first, then sums down the columns: column blocks are independent, and the order is fixed.
        using Lock.Scope alone = _scratchUse.EnterScope();
        float* inverse = Work(rows);
        int perItem = RowsPerItem(columns);
        _pool.For(Items(rows, perItem), new InverseRmsBody { X = P(x), Inverse = inverse, Rows = rows, Columns = columns, Eps = eps, PerItem = perItem });
        const int Width = 64;
        _pool.For(Items(columns, Width), new RmsNormGainBody
        {
            X = P(x), D = P(dOutput), DGain = P(dGain), Inverse = inverse, Rows = rows, Columns = columns, Stride = stride, Width = Width,
        });
    }

[MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float InverseRms(float* x, int columns, float eps)
    {
        Vector256<float> sum = default;
        int i = 0;
        for (; i + 8 <= columns; i += 8)
        {
            Vector256<float> v = Vector256.Load(x + i);
            sum += v * v;
        }
        float total = Vector256.Sum(sum);
        for (; i < columns; i++) total += x[i] * x[i];
        return 1 / MathF.Sqrt(total / columns + eps);
    }

    private struct RmsNormBody : IParallelBody
    {
        public float* X, Gain, Output;
        public long Rows;
        public int Columns, Stride, PerItem;
        public float Eps;

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public readonly void Run(int index, int thread)
        {
            long end = Math.Min(Rows, (index + 1L) * PerItem);
            for (long row = (long)index * PerItem; row < end; row++)
            {
                float* x = X + row * Columns, to = Output + row * Stride;
                float scale = InverseRms(x, Columns, Eps);
                int i = 0;
                for (; i + 8 <= Columns; i += 8) (Vector256.Load(Gain + i) * (Vector256.Load(x + i) * scale)).Store(to + i);
                for (; i < Columns; i++) to[i] = Gain[i] * (x[i] * scale);
            }
        }
    }

    private struct InverseRmsBody : IParallelBody
    {
        public float* X, Inverse;
        public long Rows;
        public int Columns, PerItem;
        public float Eps;

        public readonly void Run(int index, int thread)
        {
            long end = Math.Min(Rows, (index + 1L) * PerItem);
            for (long row = (long)index * PerItem; row < end; row++) Inverse[row] = InverseRms(X + row * Columns, Columns, Eps);
        }
    }

    private struct RmsNormGainBody : IParallelBody
    {
        public float* X, D, DGain, Inverse;
        public long Rows;
        public int Columns, Stride, Width;

        public readonly void Run(int index, int thread)
        {
            int first = index * Width, count = Math.Min(Width, Columns - first);
            float* total = stackalloc float[Width];
            new Span<float>(total, Width).Clear();
            for (long row = 0; row < Rows; row++)
            {
                float* x = X + row * Columns + first, d = D + row * Stride + first;
                float scale = Inverse[row];
                for (int j = 0; j < count; j++) total[j] += d[j] * (x[j] * scale);
            }
            for (int j = 0; j < count; j++) DGain[first + j] += total[j];
        }
    }
}
