#if ILGPU
using ILGPU.Runtime;
#else
using OllmNative.Runtime.Language;
#endif
using OllmNative.Kernels;

namespace OllmNative.Model.Cuda;

/// <summary>Weights of 8 bits: few rows multiply with the bytes themselves, many rows with a copy that is made for the product.</summary>
public sealed partial class CudaDevice
{
    private Action<Queue, Launch, Words, Words, Floats, int, int>? _quantize;
    private Action<Queue, Launch, Floats, Words, Floats, int>? _quantizeFloats;
    private Action<Queue, Launch, Words, Floats, Words, int>? _dequantize;
    private Action<Queue, Launch, Words, Floats, Floats, int>? _dequantizeFloats;
    private CudaBuffer<ushort>? _plainWords;
    private CudaBuffer<float>? _plainFloats;

    /// <inheritdoc/>
    /// <remarks>As on the processor: one scale for each row, the largest weight is 127. The stored weights stay where they are.</remarks>
    public override DeviceMatrix Quantize(DeviceMatrix matrix)
    {
        var m = (CudaMatrix)matrix;
        if (m.IsBytes) return m;
        if (m.Columns % 2 != 0) throw new OllmException($"--quantize int8: a matrix has rows of {m.Columns} weights; on {Description} they must be even in number");
        CudaBuffer<ushort> bytes = NewBuffer<ushort>((long)m.Rows * m.Columns / 2);
        CudaBuffer<float> scales = NewBuffer<float>(m.Rows);
        _scratch.Add(bytes);
        _scratch.Add(scales);
        Launch launch = RowGroups(m.Rows, m.Columns);
        Words to = bytes.Write(0, bytes.Length);
        if (m.IsFloat) (_quantizeFloats ??= _accelerator.LoadKernel<Floats, Words, Floats, int>(QuantizeRows.Floats))(_queue, launch, m.Floats, to, scales.Write(0, m.Rows), m.Columns);
        else (_quantize ??= _accelerator.LoadKernel<Words, Words, Floats, int, int>(QuantizeRows.Words))(_queue, launch, m.Words, to, scales.Write(0, m.Rows), m.Columns, m.WordType);
        return new CudaMatrix(bytes, scales, m.Rows, m.Columns);
    }

    /// <summary>The weights of a byte matrix in a form that every product knows, in memory that the next such matrix overwrites.</summary>
    private Weights Unpacked(CudaMatrix m)
    {
        long count = (long)m.Rows * m.Columns;
        Launch launch = Columns(m.Rows, m.Columns / 2);
        if (_options.TensorCores)
        {
            Words words = Scratch(ref _plainWords, count).Write(0, count);
            (_dequantize ??= _accelerator.LoadKernel<Words, Floats, Words, int>(QuantizeRows.Back))(_queue, launch, m.Words, m.Scales, words, m.Columns);
            return new Weights(default, words, false, Weights16.Bf16, m.Rows, m.Columns, Made: true);
        }
        Floats floats = Scratch(ref _plainFloats, count).Write(0, count);
        (_dequantizeFloats ??= _accelerator.LoadKernel<Words, Floats, Floats, int>(QuantizeRows.FloatsBack))(_queue, launch, m.Words, m.Scales, floats, m.Columns);
        return new Weights(floats, default, true, 0, m.Rows, m.Columns);
    }
}
