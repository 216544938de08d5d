#if ILGPU
using ILGPU.Runtime;
#else
using OllmNative.Runtime.Language;
#endif
using OllmNative.Kernels;

namespace OllmNative.Model.Cuda;

public sealed partial class CudaDevice
{
    private Action<Queue, Launch, Floats, Floats, Floats, MatMulShape>? _matMul1, _matMul3;
    private Action<Queue, Launch, Floats, Words, Floats, MatMulShape, int>? _words1, _words2;
    private Action<Queue, Launch, Floats, Floats, Floats, Floats, int, int, int, int>? _fewOne, _fewEight;

    /// <inheritdoc/>
    public override void MatMul(DeviceView<float> x, DeviceMatrix w, DeviceView<float> bias, DeviceView<float> output, bool accumulate = false)
    {
        var m = (CudaMatrix)w;
        int rows = checked((int)(x.Length / m.Columns));
        Expect(x.Length == (long)rows * m.Columns && output.Length == (long)rows * m.Rows, "MatMul: x [N, columns], output [N, rows]");
        Expect(bias.IsEmpty || bias.Length == m.Rows, "MatMul: bias [rows]");
        if (rows == 0 || m.Rows == 0 || TensorFewRows(x, m, In(bias), Out(output), rows, accumulate)) return;
        if (!accumulate && HasFewOutputs(m, rows)) FewOutputsProduct(x, m, bias, output, rows, silu: false);
        else ForwardProduct(x, WeightsOf(m), In(bias), Out(output), rows, accumulate);
    }

    /// <inheritdoc/>
    public override void MatMulBackwardInput(DeviceView<float> dy, DeviceMatrix w, DeviceView<float> dx, bool accumulate = false)
    {
        var m = (CudaMatrix)w;
        int rows = checked((int)(dy.Length / m.Rows));
        Expect(dy.Length == (long)rows * m.Rows && dx.Length == (long)rows * m.Columns, "MatMulBackwardInput: dy [N, rows], dx [N, columns]");
        if (rows > 0) InputProduct(dy, WeightsOf(m), default, Out(dx), rows, accumulate);
    }

    /// <inheritdoc/>
    public override void MatMulBackwardWeight(DeviceView<float> dy, DeviceView<float> x, DeviceMatrix dW, DeviceView<float> dBias)
    {
        var d = (CudaMatrix)dW;
        int n = checked((int)(dy.Length / d.Rows));
        Expect(d.IsFloat && dy.Length == (long)n * d.Rows && x.Length == (long)n * d.Columns,
            "MatMulBackwardWeight: dy [N, rows], x [N, columns], dW F32 [rows, columns]");
        if (n == 0) return;
        bool tensor = _options.TensorCores && _options.Bf16Parameters && d.Rows % 8 == 0 && d.Columns % 8 == 0;
        ProductKernel kernel = ProductTable.Backward(d.Rows, d.Columns, _options, tensor);
        if (HasFewOutputs(d, n)) FewOutputsWeight(dy, x, d, n);
        else if (tensor) TensorWeight(kernel, dy, x, d.WritableFloats, d.Rows, d.Columns, n);
        else FloatProduct(kernel, In(dy), In(x), d.WritableFloats, MatMulShape.WeightGradient(n, d.Rows, d.Columns));
        if (!dBias.IsEmpty) AddColumnSums(In(dy), Out(dBias), n, d.Rows);
    }

    /// <summary>Weights as the kernels of a product want them; made: the launch before has just written them.</summary>
    private readonly record struct Weights(Floats Floats, Words Words, bool IsFloat, int Type, int Rows, int Columns, bool Made = false)
    {
        /// <summary>Some of the rows.</summary>
        public Weights Part(int first, int rows)
        {
            long at = (long)first * Columns, length = (long)rows * Columns;
            return IsFloat ? this with { Floats = Floats.SubView(at, length), Rows = rows } : this with { Words = Words.SubView(at, length), Rows = rows };
        }
    }

    /// <summary>The weights; those in f32 as a bf16 copy where products take that.</summary>
    private Weights WeightsOf(CudaMatrix m)
    {
        if (m.IsBytes) return Unpacked(m);
        if (!m.IsFloat) return new(default, m.Words, false, m.WordType, m.Rows, m.Columns);
        return _options.Bf16Parameters && m.Columns % 8 == 0
            ? new(default, ShadowOf(m), false, Weights16.Bf16, m.Rows, m.Columns)
            : new(m.Floats, default, true, 0, m.Rows, m.Columns);
    }

    /// <summary>Whether the tensor cores can multiply with the weights: bf16, rows of whole 16 bytes.</summary>
    private bool ForTensorCores(in Weights w) => _options.TensorCores && !w.IsFloat && w.Type == Weights16.Bf16 && w.Columns % 8 == 0;

    /// <summary>c [rows, W.Rows] (+)= x Wᵀ + bias.</summary>
    private void ForwardProduct(DeviceView<float> x, in Weights w, Floats bias, Floats c, int rows, bool accumulate)
    {
        bool tensor = ForTensorCores(w);
        ProductKernel kernel = ProductTable.Forward(rows, w.Rows, _options, tensor);
        if (kernel == ProductKernel.FewRows && FewRows(x, w, bias, c, rows, accumulate)) return;
        if (kernel == ProductKernel.FewRows) kernel = tensor ? ProductKernel.Tensor64 : ProductKernel.Plain;
        if (HalfProduct(x, w, bias, c, rows, accumulate)) return;
        if (kernel is ProductKernel.Tensor64 or ProductKernel.Tensor128)
        {
            TensorForward(kernel, InBf16(x), w, bias, c, rows, accumulate);
            return;
        }
        if (bias.Length != 0) FillRows(bias, c, rows, w.Rows, accumulate);
        MatMulShape shape = MatMulShape.Forward(rows, w.Rows, w.Columns).Adding(accumulate || bias.Length != 0);
        if (w.IsFloat) FloatProduct(kernel, In(x), w.Floats, c, shape);
        else WordProduct(kernel, In(x), w, c, shape);
    }

    /// <summary>c [rows, W.Columns] = dy W; added to what c held, which counts scale times in each row where there is a scale.</summary>
    private void InputProduct(DeviceView<float> dy, in Weights weights, Floats scale, Floats c, int rows, bool accumulate)
    {
        Weights w = ForGradient(weights);
        bool tensor = ForTensorCores(w) && w.Rows % 8 == 0;
        ProductKernel kernel = ProductTable.Backward(rows, w.Columns, _options, tensor);
        if (tensor)
        {
            TensorInput(kernel, InBf16(dy), w, scale, c, rows, accumulate);
            return;
        }
        if (accumulate && scale.Length != 0) ScaleRows(c, scale, rows, w.Columns);
        MatMulShape shape = MatMulShape.InputGradient(rows, w.Rows, w.Columns).Adding(accumulate);
        if (w.IsFloat) FloatProduct(kernel, In(dy), w.Floats, c, shape);
        else WordProduct(kernel, In(dy), w, c, shape);
    }

    private void FloatProduct(ProductKernel kernel, Floats a, Floats b, Floats c, MatMulShape shape)
    {
        if (kernel == ProductKernel.Plain)
            (_matMul1 ??= _accelerator.LoadKernel<Floats, Floats, Floats, MatMulShape>(Kernels.MatMul.MatMul1))(_queue, Kernels.MatMul.Config(shape), a, b, c, shape);
        else
        {
            (_matMul3 ??= _accelerator.LoadKernel<Floats, Floats, Floats, MatMulShape>(MatMulRegisters.MatMul3))(
                _queue, MatMulRegisters.Config(shape), a, b, c, shape);
        }
    }

    private void WordProduct(ProductKernel kernel, Floats a, in Weights b, Floats c, MatMulShape shape)
    {
        if (kernel == ProductKernel.Plain)
        {
            (_words1 ??= _accelerator.LoadKernel<Floats, Words, Floats, MatMulShape, int>(MatMulWords.MatMulWords1))(
                _queue, Kernels.MatMul.Config(shape), a, b.Words, c, shape, b.Type);
        }
        else
        {
            (_words2 ??= _accelerator.LoadKernel<Floats, Words, Floats, MatMulShape, int>(MatMulWords.MatMulWords2))(
                _queue, MatMulRegisters.Config(shape), a, b.Words, c, shape, b.Type);
        }
    }

    /// <summary>One warp for some outputs; false where the operands are not laid out for it.</summary>
    private bool FewRows(DeviceView<float> x, in Weights w, Floats bias, Floats c, int rows, bool accumulate)
    {
        if (!w.IsFloat) return FewRowsOfWords(x, w, bias, c, rows, accumulate);
        Action<Queue, Launch, Floats, Floats, Floats, Floats, int, int, int, int> kernel = rows == 1
            ? _fewOne ??= _accelerator.LoadKernel<Floats, Floats, Floats, Floats, int, int, int, int>(MatMulDot.One)
            : _fewEight ??= _accelerator.LoadKernel<Floats, Floats, Floats, Floats, int, int, int, int>(MatMulDot.Eight);
        kernel(_queue, MatMulDot.Config(w.Rows), In(x), w.Floats, bias, c, rows, w.Rows, w.Columns, accumulate ? 1 : 0);
        return true;
    }
}
