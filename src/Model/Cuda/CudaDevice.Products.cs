#if !ILGPU
using OllmNative.Kernels;
using OllmNative.Runtime.Cuda;
using OllmNative.Runtime.Extensions;
using OllmNative.Runtime.Language;
using Half = OllmNative.Runtime.Language.Half;

namespace OllmNative.Model.Cuda;

/// <summary>The products of many rows on the tensor cores: which kernel makes them, and what it does on the way out.</summary>
public sealed partial class CudaDevice
{
    private Action<Queue, Launch, Words, Words, Words, Words, ProductTask>? _large128, _large256, _half128, _half256;
    private Action<Queue, Launch, Words, Words, Words, ProductTask>? _gated128, _gated256;
    private Action<Queue, Launch, Words, Words, ProductTask>? _largeInput128, _largeInput256, _largeWeight128, _largeWeight256;
    private Action<Queue, Launch, Floats, Floats, Words, int, float>? _normRounded;
    private Action<Queue, Launch, Floats, ArrayView<Half>, int>? _toF16;
    private CudaBuffer<float>? _trialOutput;
    private CudaBuffer<ushort>? _normed, _half;
    private ProductTuner? _tuner;

    /// <summary>The operands of a product; those that it has not are empty.</summary>
    private readonly record struct Operands(Words A, Words B0, Words B1, Words B2);

    /// <summary>
    /// Makes the product with the tile that suits it best. False where it is not laid out for all of them: the large ones store two columns at once,
    /// and without those there is one product at a time.
    /// </summary>
    private bool LargeProduct(ProductForm form, in Operands operands, in ProductTask task)
    {
        if (!Paired(task) || (!_options.Has(KernelVersions.Tiles) && !IsSingle(form, task))) return false;
        ProductTile tile = ChooseTile(Size(form, task), operands, task);
        if (tile is ProductTile.Small64 or ProductTile.Small128 && !IsSingle(form, task)) tile = ProductTile.Large128;
        LaunchTile(tile, form, operands, task);
        return true;
    }

    private static ProductSize Size(ProductForm form, in ProductTask task) =>
        new(form, task.M, form == ProductForm.Gated ? 2 * task.N0 : task.N0 + task.N1 + task.N2, task.K);

    /// <summary>Whether two columns can be stored at once everywhere.</summary>
    private static bool Paired(in ProductTask task) =>
        (task.N0 | task.N1 | task.N2) % 2 == 0 && OnPairs(task.Output0) && OnPairs(task.Output1) && OnPairs(task.Output2);

    private static bool OnPairs(Floats view) => view.Length == 0 || view.LoadEffectiveAddressAsPtr() % 8 == 0;

    /// <summary>Whether the small kernels can make it too: one bf16 product with an f32 result.</summary>
    private static bool IsSingle(ProductForm form, in ProductTask task) =>
        form is not (ProductForm.Gated or ProductForm.Half) && task.N1 == 0 && task.Rounded.Length == 0;

    private ProductTile ChooseTile(in ProductSize size, Operands operands, ProductTask task)
    {
        Span<ProductTile> room = stackalloc ProductTile[7];
        ReadOnlySpan<ProductTile> candidates = Candidates(size.Form, task, room);
        if (_options.Tile is { } asked && candidates.Contains(asked)) return asked;
        ProductTile usual = TileChoice.Default(size, candidates, Multiprocessors);
        if (!_options.MeasureProducts || candidates.Length == 1) return usual;
        _tuner ??= new ProductTuner(_accelerator);
        if (_tuner.Find(size) is { } known) return candidates.Contains(known) ? known : usual;
        // A measurement waits for the queue, which one that is being recorded forbids; repeated work has run once before it is recorded.
        if (LaunchProfiler.Active is not null || _queue.IsRecording()) return usual;

        // The result is overwritten by the product that follows, unless that adds to it.
        ProductForm form = size.Form;
        ProductTask trial = task;
        trial.Accumulate = 0;
        if (task.Accumulate != 0) trial.Output0 = Scratch(ref _trialOutput, (long)task.M * task.N0).Write(0, (long)task.M * task.N0);
        return _tuner.Measure(size, candidates, _queue, tile => LaunchTile(tile, form, operands, trial), () => Sample(trial));
    }

    /// <summary>The tiles that can make a product on this device, the plainest first.</summary>
    private ReadOnlySpan<ProductTile> Candidates(ProductForm form, in ProductTask task, Span<ProductTile> room)
    {
        int count = 0;
        if (IsSingle(form, task))
        {
            room[count++] = ProductTile.Small64;
            room[count++] = ProductTile.Small128;
        }
        if (!_options.Has(KernelVersions.Tiles)) return room[..count];
        if (count == 0 || MatMulTensorLarge.SharedBytes(128) <= _accelerator.MaxSharedMemoryPerGroup) room[count++] = ProductTile.Large128;
        if (MatMulTensorLarge.SharedBytes(256) <= _accelerator.MaxSharedMemoryPerGroup) room[count++] = ProductTile.Large256;
        if (!_options.Hopper || !_options.Has(KernelVersions.Wgmma)) return room[..count];
        if (form != ProductForm.Half) room[count++] = ProductTile.WgmmaNarrow;
        if (form != ProductForm.Half) room[count++] = ProductTile.Wgmma;
        if (form == ProductForm.Forward && _options.Has(KernelVersions.Split) && Splittable(task)) room[count++] = ProductTile.WgmmaSplit;
        return room[..count];
    }

    /// <summary>The beginning and the end of a result.</summary>
    private float[] Sample(in ProductTask task)
    {
        const int most = 4096;
        if (task.Output0.Length == 0)
        {
            var words = new ushort[Math.Min(most, task.Rounded.Length)];
            task.Rounded.SubView(task.Rounded.Length - words.Length, words.Length).CopyToCPU(_queue, words);
            return Array.ConvertAll(words, word => Weights16.Value(word, Weights16.Bf16));
        }
        int count = (int)Math.Min(most, task.Output0.Length);
        float[] first = new float[count], last = new float[count];
        task.Output0.SubView(0, count).CopyToCPU(_queue, first);
        task.Output0.SubView(task.Output0.Length - count, count).CopyToCPU(_queue, last);
        return [.. first, .. last];
    }

    private void LaunchTile(ProductTile tile, ProductForm form, in Operands o, in ProductTask task)
    {
        int width = tile == ProductTile.Large128 ? 128 : 256;
        if (tile is ProductTile.Small64 or ProductTile.Small128) LaunchSmall(tile, form, o, task);
        else if (tile == ProductTile.WgmmaSplit) LaunchSplit(o, task);
        else if (tile is ProductTile.WgmmaNarrow or ProductTile.Wgmma) LaunchWgmma(tile, form, o, task);
        else if (form == ProductForm.Gated)
        {
            var launch = width == 128 ? _gated128 ??= Load(MatMulTensorLarge.Gated128) : _gated256 ??= Load(MatMulTensorLarge.Gated256);
            launch(_queue, MatMulTensorLarge.Config(task, width, gated: true), o.A, o.B0, o.B1, task);
        }
        else if (form is ProductForm.Forward or ProductForm.Half)
        {
            var launch = (form, width) switch
            {
                (ProductForm.Forward, 128) => _large128 ??= Load(MatMulTensorLarge.Forward128),
                (ProductForm.Forward, _) => _large256 ??= Load(MatMulTensorLarge.Forward256),
                (_, 128) => _half128 ??= Load(MatMulTensorLarge.Half128),
                _ => _half256 ??= Load(MatMulTensorLarge.Half256),
            };
            launch(_queue, MatMulTensorLarge.Config(task, width), o.A, o.B0, o.B1, o.B2, task);
        }
        else
        {
            var launch = (form, width) switch
            {
                (ProductForm.Input, 128) => _largeInput128 ??= Load(MatMulTensorLarge.Input128),
                (ProductForm.Input, _) => _largeInput256 ??= Load(MatMulTensorLarge.Input256),
                (_, 128) => _largeWeight128 ??= Load(MatMulTensorLarge.Weight128),
                _ => _largeWeight256 ??= Load(MatMulTensorLarge.Weight256),
            };
            launch(_queue, MatMulTensorLarge.Config(task, width), o.A, o.B0, task);
        }
    }

    private void LaunchSmall(ProductTile tile, ProductForm form, in Operands o, in ProductTask task)
    {
        bool large = tile == ProductTile.Small128;
        var launch = form switch
        {
            ProductForm.Forward => large ? _forward128 ??= Load(MatMulTensor.Forward128) : _forward64 ??= Load(MatMulTensor.Forward64),
            ProductForm.Input => large ? _input128 ??= Load(MatMulTensor.Input128) : _input64 ??= Load(MatMulTensor.Input64),
            _ => large ? _weight128 ??= Load(MatMulTensor.Weight128) : _weight64 ??= Load(MatMulTensor.Weight64),
        };
        launch(
            _queue, MatMulTensor.Config(task.M, task.N0, large ? 128 : 64), o.A.Cast<Bf16>(), o.B0.Cast<Bf16>(), task.Bias0, task.Scale, task.Output0,
            task.M, task.N0, task.K, task.Accumulate);
    }

    /// <summary>Norm, rounded at once, and the products with up to three matrices in one launch. False where they are not laid out for it.</summary>
    private bool LargeNormEach(DeviceView<float> x, DeviceView<float> gain, float eps, DeviceView<float> normed, ReadOnlySpan<Projection> projections)
    {
        if (projections.Length is < 1 or > 3 || !Roundable(x, gain)) return false;
        foreach (Projection projection in projections)
            if (!ForLarge((CudaMatrix)projection.W, gain)) return false;
        Projection first = projections[0], second = projections.Length > 1 ? projections[1] : default, third = projections.Length > 2 ? projections[2] : default;
        ProductTask task = default;
        (task.M, task.K) = (checked((int)(x.Length / gain.Length)), checked((int)gain.Length));
        (task.N0, task.N1, task.N2) = (first.W.Rows, second.W?.Rows ?? 0, third.W?.Rows ?? 0);
        (task.Output0, task.Output1, task.Output2) = (Out(first.Output), Out(second.Output), Out(third.Output));
        (task.Bias0, task.Bias1, task.Bias2) = (In(first.Bias), In(second.Bias), In(third.Bias));
        task.Ahead = first.W is CudaMatrix { IsBytes: false } ? 1 : 0;
        if (!Paired(task)) return false;
        Words a = NormRounded(x, gain, eps, normed);
        return LargeProduct(ProductForm.Forward, new Operands(a, WordsOf(first.W), WordsOf(second.W), WordsOf(third.W)), task);
    }

    /// <inheritdoc/>
    /// <remarks>For many rows what goes into the last product exists in bf16 alone: 4 of its 6 bytes an element are not written.</remarks>
    public override void NormMlp(
        DeviceView<float> x, DeviceView<float> gain, float eps, DeviceView<float> normed, DeviceMatrix gate, DeviceMatrix up, DeviceMatrix down,
        DeviceView<float> hidden, DeviceView<float> upOutput)
    {
        var m = (CudaMatrix)down;
        int rows = checked((int)(x.Length / gain.Length));
        if (rows > ProductTable.MostTensorRows && m.Columns % 8 == 0 && HasBf16(m)
            && LargeGateUp(x, gain, eps, normed, gate, up, hidden, inBf16Alone: true) is { Length: > 0 } between)
            TensorForward(ProductTable.Forward(rows, m.Rows, _options, tensor: true), between, WeightsOf(m), default, Out(x), rows, accumulate: true);
        else
            base.NormMlp(x, gain, eps, normed, gate, up, down, hidden, upOutput);
    }

    /// <summary>Norm, gate, up and SwiGLU in two launches. What comes out is there in bf16 too, which is returned; empty where they are not laid out for it.</summary>
    private Words LargeGateUp(
        DeviceView<float> x, DeviceView<float> gain, float eps, DeviceView<float> normed, DeviceMatrix gate, DeviceMatrix up, DeviceView<float> output, bool inBf16Alone)
    {
        if (!Roundable(x, gain) || !ForLarge((CudaMatrix)gate, gain) || !ForLarge((CudaMatrix)up, gain)) return default;
        ProductTask task = default;
        (task.M, task.N0, task.K, task.Ahead) = (checked((int)(x.Length / gain.Length)), gate.Rows, checked((int)gain.Length), 1);
        // Written or not, what the memory held is over, and copies of it with it.
        Floats result = Out(output);
        if (!inBf16Alone) task.Output0 = result;
        if (!Paired(task)) return default;
        Words a = NormRounded(x, gain, eps, normed);
        Bf16Copy copy = _copies[^1];
        task.Rounded = Scratch(ref copy.Memory, output.Length).Write(0, output.Length);
        LargeProduct(ProductForm.Gated, new Operands(a, WordsOf(gate), WordsOf(up), default), task);
        if (inBf16Alone) copy.Source = null;
        else CopyIs(copy, output);
        return task.Rounded;
    }

    /// <summary>x Wᵀ with f16 weights, activations rounded to f16. False where they are not laid out for it.</summary>
    private bool HalfProduct(DeviceView<float> x, in Weights w, Floats bias, Floats c, int rows, bool accumulate)
    {
        var task = new ProductTask { M = rows, N0 = w.Rows, K = w.Columns, Output0 = c, Bias0 = bias, Accumulate = accumulate ? 1 : 0 };
        if (!Roundable() || w.IsFloat || w.Type != Weights16.F16 || w.Columns % 8 != 0 || rows <= ProductTable.MostFewRows || !Paired(task)) return false;
        Words input = Scratch(ref _half, x.Length).Write(0, x.Length);
        (_toF16 ??= _accelerator.LoadKernel<Floats, ArrayView<Half>, int>(ToF16.Forward))(_queue, Each(x.Length), In(x), input.Cast<Half>(), checked((int)x.Length));
        return LargeProduct(ProductForm.Half, new Operands(input, w.Words, default, default), task);
    }

    /// <summary>Many rows, on a device that takes bf16 activations.</summary>
    private bool Roundable(DeviceView<float> x, DeviceView<float> gain) =>
        Roundable() && gain.Length % 8 == 0 && x.Length > ProductTable.MostFewRows * gain.Length && x.Length % gain.Length == 0;

    private bool Roundable() => _options.TensorCores && _options.Has(KernelVersions.Tiles);

    private bool ForLarge(CudaMatrix m, DeviceView<float> gain) => m.Columns == gain.Length && m.Rows % 2 == 0 && HasBf16(m);

    /// <summary>Whether products read the matrix in bf16.</summary>
    private bool HasBf16(CudaMatrix m) => m.IsFloat ? _options.Bf16Parameters : m.DType == DType.BF16;

    /// <summary>The norm in bf16; it stands for <paramref name="room"/>, whose own contents stay as they were.</summary>
    private Words NormRounded(DeviceView<float> x, DeviceView<float> gain, float eps, DeviceView<float> room)
    {
        int width = checked((int)gain.Length);
        Words target = Scratch(ref _normed, x.Length).Write(0, x.Length);
        (_normRounded ??= _accelerator.LoadKernel<Floats, Floats, Words, int, float>(RmsNormRows.Rounded))(
            _queue, RowGroups(x.Length / width, width), In(x), In(gain), target, width, eps);
        return target;
    }

    /// <summary>Notes that a copy is of a view as it is now.</summary>
    private static void CopyIs(Bf16Copy copy, DeviceView<float> view)
    {
        var source = (CudaBuffer<float>)view.Buffer!;
        (copy.Source, copy.Offset, copy.Length, copy.Version) = (source, view.Offset, view.Length, source.Version);
    }

    private Action<Queue, Launch, Words, Words, Words, Words, ProductTask> Load(Action<Words, Words, Words, Words, ProductTask> kernel) => _accelerator.LoadKernel(kernel);

    private Action<Queue, Launch, Words, Words, Words, ProductTask> Load(Action<Words, Words, Words, ProductTask> kernel) => _accelerator.LoadKernel(kernel);

    private Action<Queue, Launch, Words, Words, ProductTask> Load(Action<Words, Words, ProductTask> kernel) => _accelerator.LoadKernel(kernel);
}
#endif
