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
    public override void NormGainGradient(DeviceView<float> gain, DeviceView<float> w, DeviceView<float> dW, DeviceView<float> dGain)
    {
        int columns = checked((int)gain.Length);
        Expect(dGain.Length == columns && w.Length % columns == 0 && dW.Length == w.Length, "NormGainGradient: gain, dGain [D], w, dW [M, D]");
        // Column blocks are independent, and the order of the rows is fixed.
        const int Width = 64;
        _pool.For(Items(columns, Width), new NormGainBody
        {
            Gain = P(gain), W = P(w), D = P(dW), DGain = P(dGain), Rows = w.Length / columns, Columns = columns, Width = Width,
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

    private struct NormGainBody : IParallelBody
    {
        public float* Gain, W, D, DGain;
        public long Rows;
        public int Columns, Width;

        public readonly void Run(int index, int thread)
        {
            int first = index * Width, count = Math.Min(Width, Columns - first);
            float* total = stackalloc float[Width];
            new Span<float>(total, Width).Clear();
            for (long row = 0; row < Rows; row++)
            {
                float* w = W + row * Columns + first, d = D + row * Columns + first;
                int j = 0;
                for (; j + 8 <= count; j += 8) (Vector256.Load(total + j) + Vector256.Load(w + j) * Vector256.Load(d + j)).Store(total + j);
                for (; j < count; j++) total[j] += w[j] * d[j];
            }
            for (int j = 0; j < count; j++) DGain[first + j] = Gain[first + j] == 0 ? 0 : total[j] / Gain[first + j];
        }
    }
}
