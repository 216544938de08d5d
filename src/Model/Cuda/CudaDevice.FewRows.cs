#if !ILGPU
using OllmNative.Kernels;
using OllmNative.Runtime.Language;

namespace OllmNative.Model.Cuda;

/// <summary>Decoding's products on tensor cores: up to 16 rows, weights read once, from before the kernel ahead has ended.</summary>
public sealed partial class CudaDevice
{
    private readonly Action<Queue, Launch, Floats, Floats, DecodeMatrix, DecodeMatrix, DecodeMatrix, DecodeShape>?[] _decodeNorm = new Action<Queue, Launch, Floats, Floats, DecodeMatrix, DecodeMatrix, DecodeMatrix, DecodeShape>?[4];
    private readonly Action<Queue, Launch, Floats, Floats, DecodeMatrix, DecodeMatrix, DecodeShape>?[] _decodeGate = new Action<Queue, Launch, Floats, Floats, DecodeMatrix, DecodeMatrix, DecodeShape>?[4];
    private readonly Action<Queue, Launch, Floats, DecodeMatrix, DecodeShape>?[] _decodeMatMul = new Action<Queue, Launch, Floats, DecodeMatrix, DecodeShape>?[4];
    private readonly Action<Queue, Launch, Floats, DecodeMatrix, Floats, Ints, Floats, DecodeShape>?[] _decodeAdapter = new Action<Queue, Launch, Floats, DecodeMatrix, Floats, Ints, Floats, DecodeShape>?[2];

    /// <summary>Most rows that decoding's kernels take.</summary>
    private int MostFewRows => _options.TensorCores ? ProductTable.MostTensorRows : ProductTable.MostFewRows;

    /// <summary>output = x Wᵀ + bias, or added to it, for a few rows; false where the operands are not laid out for it.</summary>
    private bool TensorFewRows(DeviceView<float> x, CudaMatrix m, Floats bias, Floats output, int rows, bool accumulate)
    {
        if (rows > MostFewRows || !ForDecoding(m, x.Offset)) return false;
        DecodeShape shape = Shape(rows, m.Columns);
        shape.Accumulate = accumulate ? 1 : 0;
        int version = Version(rows, m);
        Action<Queue, Launch, Floats, DecodeMatrix, DecodeShape> launch = _decodeMatMul[version] ??= _accelerator.LoadKernel<Floats, DecodeMatrix, DecodeShape>(version switch
        {
            0 => DecodeProducts.Eight, 1 => DecodeProducts.Sixteen, 2 => DecodeProducts.EightBytes, _ => DecodeProducts.SixteenBytes,
        });
        launch(_queue, DecodeProducts.Config(m.Rows), In(x), Operand(m, bias, output), shape);
        return true;
    }

    private bool TensorNormProducts(DeviceView<float> x, DeviceView<float> gain, float eps, ReadOnlySpan<Projection> projections)
    {
        int rows = checked((int)(x.Length / gain.Length));
        if (rows < 1 || rows > MostFewRows || gain.Offset % 4 != 0 || projections.Length is < 1 or > 3) return false;
        var first = (CudaMatrix)projections[0].W;
        foreach (Projection projection in projections)
        {
            var m = (CudaMatrix)projection.W;
            if (m.Columns != gain.Length || m.IsBytes != first.IsBytes || !ForDecoding(m, x.Offset)) return false;
        }
        DecodeMatrix At(int i, ReadOnlySpan<Projection> all) => i < all.Length ? Operand((CudaMatrix)all[i].W, In(all[i].Bias), Out(all[i].Output)) : default;
        DecodeMatrix a = At(0, projections), b = At(1, projections), c = At(2, projections);
        DecodeShape shape = Shape(rows, first.Columns);
        shape.Epsilon = eps;
        int version = Version(rows, first);
        var launch = _decodeNorm[version] ??= _accelerator.LoadKernel<Floats, Floats, DecodeMatrix, DecodeMatrix, DecodeMatrix, DecodeShape>(version switch
        {
            0 => DecodeProducts.NormEight, 1 => DecodeProducts.NormSixteen, 2 => DecodeProducts.NormEightBytes, _ => DecodeProducts.NormSixteenBytes,
        });
        launch(_queue, DecodeProducts.Config(a.Outputs, b.Outputs, c.Outputs), In(x), In(gain), a, b, c, shape);
        return true;
    }

    private bool TensorGateUp(DeviceView<float> x, DeviceView<float> gain, float eps, CudaMatrix gate, CudaMatrix up, DeviceView<float> output)
    {
        int rows = checked((int)(x.Length / gain.Length));
        if (rows < 1 || rows > MostFewRows || gain.Offset % 4 != 0 || gate.Columns != gain.Length || up.Columns != gain.Length || gate.IsBytes != up.IsBytes || gate.Rows != up.Rows) return false;
        if (!ForDecoding(gate, x.Offset) || !ForDecoding(up, x.Offset)) return false;
        DecodeShape shape = Shape(rows, gate.Columns);
        shape.Epsilon = eps;
        int version = Version(rows, gate);
        var launch = _decodeGate[version] ??= _accelerator.LoadKernel<Floats, Floats, DecodeMatrix, DecodeMatrix, DecodeShape>(version switch
        {
            0 => DecodeProducts.GateEight, 1 => DecodeProducts.GateSixteen, 2 => DecodeProducts.GateEightBytes, _ => DecodeProducts.GateSixteenBytes,
        });
        launch(_queue, DecodeProducts.GateConfig(gate.Rows), In(x), In(gain), Operand(gate, default, Out(output)), Operand(up, default, default), shape);
        return true;
    }

    /// <inheritdoc/>
    public override bool AdapterOutput(
        DeviceView<float> pre, DeviceMatrix w, DeviceView<float> bias, DeviceView<float> table, DeviceView<int> chosen, DeviceView<float> residual, DeviceView<float> output)
    {
        var m = (CudaMatrix)w;
        int rows = checked((int)(pre.Length / m.Columns));
        if (HasFewOutputs(m, rows) && table.IsEmpty && residual.IsEmpty)
        {
            FewOutputsProduct(pre, m, bias, output, rows, silu: true);
            return true;
        }
        if (rows > MostFewRows || m.IsBytes || !ForDecoding(m, pre.Offset)) return false;
        int version = Version(rows, m);
        (_decodeAdapter[version] ??= _accelerator.LoadKernel<Floats, DecodeMatrix, Floats, Ints, Floats, DecodeShape>(version == 0 ? DecodeProducts.AdapterEight : DecodeProducts.AdapterSixteen))(
            _queue, DecodeProducts.Config(m.Rows), In(pre), Operand(m, In(bias), Out(output)), In(table), In(chosen), In(residual), Shape(rows, m.Columns));
        return true;
    }

    /// <summary>bf16 or bytes, in rows of whole 16 bytes.</summary>
    private bool ForDecoding(CudaMatrix m, long offset) => _options.TensorCores && _options.Has(KernelVersions.Decode) && offset % 4 == 0
        && (m.IsBytes ? m.Columns % 16 == 0 : m.Columns % 8 == 0 && HasBf16(m));

    private static int Version(int rows, CudaMatrix m) => (rows <= 8 ? 0 : 1) + (m.IsBytes ? 2 : 0);

    private static DecodeShape Shape(int rows, int inputs) => new() { Rows = rows, Inputs = inputs };

    private DecodeMatrix Operand(CudaMatrix m, Floats bias, Floats output) => new()
    {
        Words = m.IsBytes ? m.Words : WeightsOf(m).Words, Scales = m.IsBytes ? m.Scales : default, Bias = bias, Output = output, Outputs = m.Rows,
    };
}
#endif
