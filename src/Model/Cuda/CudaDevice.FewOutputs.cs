#if !ILGPU
using OllmNative.Kernels;
using OllmNative.Runtime.Language;

namespace OllmNative.Model.Cuda;

/// <summary>Layers with as few outputs as there are options, for many rows: training, and options of a whole text.</summary>
public sealed partial class CudaDevice
{
    private Action<Queue, Launch, Floats, Floats, Floats, Floats, int, int, int>? _fewOutputs, _adapterOutputs;
    private Action<Queue, Launch, Floats, Floats, Floats, int, int, int>? _fewOutputsWeight;
    private Action<Queue, Launch, Floats, Floats, Floats, Floats, Words, Floats, Floats, int, int, int>? _adapterGradients;
    private CudaBuffer<float>? _outputParts;

    /// <summary>Whether there are few enough outputs, and too many rows for the kernels of decoding. Small groups without barriers suit the emulator better.</summary>
    private bool HasFewOutputs(CudaMatrix m, int rows) => !_options.Plain && m.IsFloat && m.Rows <= FewOutputs.Most && rows > ProductTable.MostTensorRows;

    private void FewOutputsProduct(DeviceView<float> x, CudaMatrix w, DeviceView<float> bias, DeviceView<float> output, int rows, bool silu)
    {
        var launch = silu
            ? _adapterOutputs ??= _accelerator.LoadKernel<Floats, Floats, Floats, Floats, int, int, int>(FewOutputs.Adapter)
            : _fewOutputs ??= _accelerator.LoadKernel<Floats, Floats, Floats, Floats, int, int, int>(FewOutputs.Forward);
        launch(_queue, FewOutputs.Config(rows), In(x), w.Floats, In(bias), Out(output), rows, w.Columns, w.Rows);
    }

    /// <summary>dW += dyᵀ x: chunks of rows first, then the chunks in order.</summary>
    private void FewOutputsWeight(DeviceView<float> dy, DeviceView<float> x, CudaMatrix dW, int rows)
    {
        Floats partial = OutputParts(rows, dW);
        (_fewOutputsWeight ??= _accelerator.LoadKernel<Floats, Floats, Floats, int, int, int>(FewOutputs.Weight))(
            _queue, FewOutputs.GradientConfig(rows, dW.Columns), In(dy), In(x), partial, rows, dW.Columns, dW.Rows);
        AddColumns(partial, dW.WritableFloats, Chunks(rows), dW.Rows * dW.Columns);
    }

    /// <inheritdoc/>
    public override bool AdapterBackward(
        DeviceView<float> pre, DeviceView<float> dOutput, DeviceMatrix w, DeviceMatrix dW, DeviceView<float> dBias, DeviceView<float> dPre, DeviceView<float> dPreBias)
    {
        (var m, var d) = ((CudaMatrix)w, (CudaMatrix)dW);
        int rows = checked((int)(pre.Length / m.Columns));
        if (!HasFewOutputs(m, rows)) return false;
        Expect(pre.Length == (long)rows * m.Columns && dOutput.Length == (long)rows * m.Rows && dPre.Length == pre.Length && dPreBias.Length == m.Columns,
            "AdapterBackward: pre, dPre [N, M], dOutput [N, O], dPreBias [M]");
        int chunks = Chunks(rows);
        Floats partial = OutputParts(rows, d), bias = Scratch(ref _sumParts, (long)chunks * m.Columns).Write(0, (long)chunks * m.Columns), gradient = Out(dPre);
        // What the product of the first layer's gradient wants, made on the way.
        Words rounded = _options.TensorCores && _options.Bf16Parameters ? NewCopy(dPre) : default;
        (_adapterGradients ??= _accelerator.LoadKernel<Floats, Floats, Floats, Floats, Words, Floats, Floats, int, int, int>(FewOutputs.Backward))(
            _queue, FewOutputs.GradientConfig(rows, m.Columns), In(pre), In(dOutput), m.Floats, gradient, rounded, partial, bias, rows, m.Columns, m.Rows);
        AddColumns(partial, d.WritableFloats, chunks, d.Rows * d.Columns);
        AddColumns(bias, Out(dPreBias), chunks, m.Columns);
        AddColumnSums(In(dOutput), Out(dBias), rows, m.Rows);
        return true;
    }

    private static int Chunks(int rows) => (rows + FewOutputs.Chunk - 1) / FewOutputs.Chunk;

    private Floats OutputParts(int rows, CudaMatrix dW)
    {
        long length = (long)Chunks(rows) * dW.Rows * dW.Columns;
        return Scratch(ref _outputParts, length).Write(0, length);
    }
}
#endif
