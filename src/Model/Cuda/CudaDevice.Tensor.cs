#if !ILGPU
using OllmNative.Kernels;
using OllmNative.Runtime.Extensions;
using OllmNative.Runtime.Language;

namespace OllmNative.Model.Cuda;

/// <summary>What the tensor cores and 16-byte loads do. The ILGPU build has neither: CudaDevice.Portable.cs.</summary>
public sealed partial class CudaDevice
{
    // The last one is the MLP's: its product leaves it behind. Of the others, as many as a pass of the loss makes from the encoder's input, which is the
    // first, to where that is wanted again.
    private readonly Bf16Copy[] _copies = [new(), new(), new(), new(), new(), new(), new(), new()];
    private int _nextCopy;
    private long _largestCopy;
    private CudaBuffer<int>? _fill;
    private Action<Queue, Launch, ArrayView<Bf16>, ArrayView<Bf16>, Floats, Floats, Floats, int, int, int, int>? _forward64, _forward128, _input64, _input128, _weight64, _weight128;
    private Action<Queue, Launch, Floats, Words, Floats, Floats, int, int, int, int>? _bf16One, _bf16Four, _bf16Eight, _f16Eight;
    private Action<Queue, Launch, Floats, ArrayView<Bf16>, int>? _toBf16, _toBf16Single;
    private Action<Queue, Launch, Words, ArrayView<Bf16>, int>? _halfToBf16;
    private CudaBuffer<ushort>? _halfAsBf16;

    /// <summary>A bf16 copy of a view, and what it was made from.</summary>
    private sealed class Bf16Copy
    {
        public CudaBuffer<ushort>? Memory;
        public CudaBuffer<float>? Source;
        public long Offset, Length, Version;
    }

    private void TensorForward(ProductKernel kernel, Words input, in Weights w, Floats bias, Floats c, int rows, bool accumulate)
    {
        var task = new ProductTask { M = rows, N0 = w.Rows, K = w.Columns, Output0 = c, Bias0 = bias, Accumulate = accumulate ? 1 : 0, Ahead = w.Made ? 0 : 1 };
        if (LargeProduct(ProductForm.Forward, new Operands(input, w.Words, default, default), task)) return;
        var launch = kernel == ProductKernel.Tensor128
            ? _forward128 ??= Load(MatMulTensor.Forward128)
            : _forward64 ??= Load(MatMulTensor.Forward64);
        launch(_queue, TensorConfig(kernel, rows, w.Rows), input.Cast<Bf16>(), w.Words.Cast<Bf16>(), bias, default, c, rows, w.Rows, w.Columns, accumulate ? 1 : 0);
    }

    private void TensorInput(ProductKernel kernel, Words dy, in Weights w, Floats scale, Floats c, int rows, bool accumulate)
    {
        var task = new ProductTask { M = rows, N0 = w.Columns, K = w.Rows, Output0 = c, Scale = scale, Accumulate = accumulate ? 1 : 0 };
        if (LargeProduct(ProductForm.Input, new Operands(dy, w.Words, default, default), task)) return;
        var launch = kernel == ProductKernel.Tensor128
            ? _input128 ??= Load(MatMulTensor.Input128)
            : _input64 ??= Load(MatMulTensor.Input64);
        launch(_queue, TensorConfig(kernel, rows, w.Columns), dy.Cast<Bf16>(), w.Words.Cast<Bf16>(), default, scale, c, rows, w.Columns, w.Rows, accumulate ? 1 : 0);
    }

    private void TensorWeight(ProductKernel kernel, DeviceView<float> dy, DeviceView<float> x, Floats c, int rows, int columns, int terms)
    {
        Words left = InBf16(dy), right = InBf16(x);
        var task = new ProductTask { M = rows, N0 = columns, K = terms, Output0 = c, Accumulate = 1 };
        if (LargeProduct(ProductForm.Weight, new Operands(left, right, default, default), task)) return;
        var launch = kernel == ProductKernel.Tensor128
            ? _weight128 ??= Load(MatMulTensor.Weight128)
            : _weight64 ??= Load(MatMulTensor.Weight64);
        launch(_queue, TensorConfig(kernel, rows, columns), left.Cast<Bf16>(), right.Cast<Bf16>(), default, default, c, rows, columns, terms, 1);
    }

    private static Launch TensorConfig(ProductKernel kernel, int m, int n) => MatMulTensor.Config(m, n, kernel == ProductKernel.Tensor128 ? 128 : 64);

    private Action<Queue, Launch, ArrayView<Bf16>, ArrayView<Bf16>, Floats, Floats, Floats, int, int, int, int> Load(
        Action<ArrayView<Bf16>, ArrayView<Bf16>, Floats, Floats, Floats, int, int, int, int> kernel) => _accelerator.LoadKernel(kernel);

    private bool FewRowsOfWords(DeviceView<float> x, in Weights w, Floats bias, Floats c, int rows, bool accumulate)
    {
        if (w.Columns % 8 != 0 || x.Offset % 4 != 0 || rows > ProductTable.MostFewRows) return false;
        Action<Queue, Launch, Floats, Words, Floats, Floats, int, int, int, int> launch =
            w.Type == Weights16.F16 ? _f16Eight ??= LoadWords(MatMulDotWords.F16Eight)
            : rows == 1 ? _bf16One ??= LoadWords(MatMulDotWords.Bf16One)
            : rows <= 4 ? _bf16Four ??= LoadWords(MatMulDotWords.Bf16Four)
            : _bf16Eight ??= LoadWords(MatMulDotWords.Bf16Eight);
        launch(_queue, MatMulDotWords.Config(w.Rows), In(x), w.Words, bias, c, rows, w.Rows, w.Columns, accumulate ? 1 : 0);
        return true;
    }

    private Action<Queue, Launch, Floats, Words, Floats, Floats, int, int, int, int> LoadWords(
        Action<Floats, Words, Floats, Floats, int, int, int, int> kernel) => _accelerator.LoadKernel(kernel);

    /// <summary>
    /// A view rounded to bf16. The last few copies are kept: what goes into the products of q, k and v, or of gate and up, is
    /// rounded once. A copy is used only while its source has not been written since.
    /// </summary>
    private Words InBf16(DeviceView<float> view)
    {
        var source = (CudaBuffer<float>)view.Buffer!;
        foreach (Bf16Copy known in _copies)
        {
            if (known.Source == source && known.Offset == view.Offset && known.Length == view.Length && source.IsAsAt(known.Version, view.Offset, view.Length))
                return known.Memory!.Read(0, view.Length);
        }
        Words target = NewCopy(view);
        Round(In(view), view.Offset, target.Cast<Bf16>(), checked((int)view.Length));
        return target;
    }

    /// <summary>
    /// Memory for the copy of a view as it is now, in the place of the one that was made longest ago. Any place comes to hold the largest of them, so each
    /// is made as large at its next turn, and grows no more after the first steps.
    /// </summary>
    private Words NewCopy(DeviceView<float> view)
    {
        Bf16Copy copy = _copies[_nextCopy];
        _nextCopy = (_nextCopy + 1) % (_copies.Length - 1);
        _largestCopy = Math.Max(_largestCopy, view.Length);
        CopyIs(copy, view);
        return Scratch(ref copy.Memory, _largestCopy).Write(0, view.Length);
    }

    private void ForgetCopies()
    {
        foreach (Bf16Copy copy in _copies) copy.Source = null;
        _nextCopy = 0;
    }

    private void Round(Floats source, long offset, ArrayView<Bf16> target, int count)
    {
        if (offset % 4 == 0 && count % 8 == 0)
            (_toBf16 ??= _accelerator.LoadKernel<Floats, ArrayView<Bf16>, int>(ToBf16.Eight))(_queue, Each(count / 8), source, target, count);
        else
            (_toBf16Single ??= _accelerator.LoadKernel<Floats, ArrayView<Bf16>, int>(ToBf16.Single))(_queue, Each(count), source, target, count);
    }

    /// <summary>
    /// Weights of f16 as bf16, in memory that the next such product overwrites: gradients are too small for the range of f16, and both operands of a
    /// product are of one type. The copy's 4 bytes a weight are little beside the product.
    /// </summary>
    private Weights ForGradient(in Weights w)
    {
        if (!_options.TensorCores || w.IsFloat || w.Type != Weights16.F16 || w.Columns % 8 != 0 || w.Rows % 8 != 0) return w;
        long count = (long)w.Rows * w.Columns;
        Words words = Scratch(ref _halfAsBf16, count).Write(0, count);
        (_halfToBf16 ??= _accelerator.LoadKernel<Words, ArrayView<Bf16>, int>(ToBf16.Half))(_queue, Each(count / 8), w.Words, words.Cast<Bf16>(), checked((int)count));
        return w with { Words = words, Type = Weights16.Bf16 };
    }

    /// <summary>The bf16 copy of an f32 matrix, made again when its memory has been written.</summary>
    private Words ShadowOf(CudaMatrix m)
    {
        long count = (long)m.Rows * m.Columns;
        if (m.Shadow is null) _scratch.Add(m.Shadow = NewBuffer<ushort>(count));
        if (m.ShadowVersion != m.Version)
        {
            Round(m.Floats, m.Offset, m.Shadow.Write(0, count).Cast<Bf16>(), checked((int)count));
            // A kernel that starts ahead of its predecessor's end reads weights before it waits, but never passes a fill.
            Scratch(ref _fill, 1).Write(0, 1).MemSetToZero(_queue);
            // A recording has made nothing yet, and may never be started.
            if (!_queue.IsRecording()) m.ShadowVersion = m.Version;
        }
        return m.Shadow.Read(0, count);
    }
}
#endif
