using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace OllmNative.Model.Cpu;

public sealed unsafe partial class CpuDevice
{
    /// <inheritdoc/>
    /// <remarks>
    /// Symmetric, one scale for each row: w ≈ scale * q with q from -127 to 127 and scale = max |w| / 127, so that the error of
    /// a weight is at most half a scale. Activations stay f32: widening a byte costs less than reading one from memory, so
    /// rounding them as well would lose accuracy and win nothing.
    /// </remarks>
    public override DeviceMatrix Quantize(DeviceMatrix matrix)
    {
        CpuMatrix m = Cpu(matrix);
        if (m.DType == DType.I8) return m;
        var bytes = new CpuBuffer<byte>((long)m.Rows * m.Columns);
        var scales = new CpuBuffer<float>(m.Rows);
        _pool.For(m.Rows, new QuantizeBody { W = m.Data, Type = m.DType, Columns = m.Columns, To = (sbyte*)bytes.Pointer, Scales = scales.Pointer });
        CpuBuffer<float>? panels = PackWhole(Operand.Transposed(bytes.Pointer, DType.I8, m.Columns, scales.Pointer), m.Rows, m.Columns);
        return new CpuMatrix((bytes, scales), bytes.Pointer, DType.I8, m.Rows, m.Columns, scales.Pointer) { Panels = panels };
    }

    private struct QuantizeBody : IParallelBody
    {
        public byte* W;
        public DType Type;
        public int Columns;
        public sbyte* To;
        public float* Scales;

        public readonly void Run(int row, int thread)
        {
            switch (Type)
            {
                case DType.F32: Run<F32Element>(row); break;
                case DType.BF16: Run<BF16Element>(row); break;
                default: Run<F16Element>(row); break;
            }
        }

[MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private readonly void Run<T>(int row) where T : struct, IElement
        {
            byte* from = W + (long)row * Columns * T.Size;
            Vector256<float> largest = default;
            int i = 0;
            for (; i + 8 <= Columns; i += 8) largest = Vector256.Max(largest, Vector256.Abs(T.Load256(from + (long)i * T.Size)));
            float max = 0;
            for (int lane = 0; lane < 8; lane++) max = MathF.Max(max, largest[lane]);
            for (; i < Columns; i++) max = MathF.Max(max, MathF.Abs(T.Load(from + (long)i * T.Size)));
            float scale = max / 127, inverse = max > 0 ? 127 / max : 0;
            Scales[row] = scale;
            sbyte* to = To + (long)row * Columns;
            for (i = 0; i < Columns; i++) to[i] = (sbyte)MathF.Round(T.Load(from + (long)i * T.Size) * inverse);
        }
    }
}
