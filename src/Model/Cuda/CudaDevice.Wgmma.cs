#if !ILGPU
using OllmNative.Kernels;
using OllmNative.Runtime.Extensions;
using OllmNative.Runtime.Language;

namespace OllmNative.Model.Cuda;

/// <summary>Products on Hopper's warp groups: the maps of their operands, and their launches.</summary>
public sealed partial class CudaDevice
{
    private Action<Queue, Launch, TensorMap, TensorMap, TensorMap, TensorMap, ProductTask>? _wgmma, _wgmmaNarrow;
    private Action<Queue, Launch, TensorMap, TensorMap, TensorMap, ProductTask>? _wgmmaGated;
    private Action<Queue, Launch, TensorMap, TensorMap, ProductTask>? _wgmmaInput, _wgmmaInputNarrow, _wgmmaWeight, _wgmmaWeightNarrow;
    private Action<Queue, Launch, TensorMap, TensorMap, Floats, Ints, ArrayView<uint>, Floats, Floats, Ints, Ints, HeadShape>? _headLogitsWgmma;
    private Action<Queue, Launch, TensorMap, TensorMap, Ints, ProductTask>? _headGradientWgmma;

    private void LaunchWgmma(ProductTile tile, ProductForm form, in Operands o, in ProductTask task)
    {
        int width = tile == ProductTile.Wgmma ? MatMulWgmma.Wide : MatMulWgmma.Narrow;
        Launch config = MatMulWgmma.Config(task, Multiprocessors, width, form == ProductForm.Gated);
        if (form == ProductForm.Gated) GatedWgmma(config, o, task);
        else if (form == ProductForm.Forward) ForwardWgmma(config, width, o, task);
        else GradientWgmma(config, width, form, o, task);
    }

    private void ForwardWgmma(Launch config, int width, in Operands o, in ProductTask task)
    {
        int k = task.K;
        TensorMap first = MatMulWgmma.Right(o.B0, task.N0, k, width);
        TensorMap second = task.N1 > 0 ? MatMulWgmma.Right(o.B1, task.N1, k, width) : first, third = task.N2 > 0 ? MatMulWgmma.Right(o.B2, task.N2, k, width) : first;
        var launch = width == MatMulWgmma.Wide
            ? _wgmma ??= _accelerator.LoadKernel<TensorMap, TensorMap, TensorMap, TensorMap, ProductTask>(MatMulWgmma.Forward)
            : _wgmmaNarrow ??= _accelerator.LoadKernel<TensorMap, TensorMap, TensorMap, TensorMap, ProductTask>(MatMulWgmma.ForwardNarrow);
        launch(_queue, config, MatMulWgmma.Left(o.A, task.M, k), first, second, third, task);
    }

    private void GatedWgmma(Launch config, in Operands o, in ProductTask task)
    {
        TensorMap gate = MatMulWgmma.Right(o.B0, task.N0, task.K, gated: true), up = MatMulWgmma.Right(o.B1, task.N0, task.K, gated: true);
        (_wgmmaGated ??= _accelerator.LoadKernel<TensorMap, TensorMap, TensorMap, ProductTask>(MatMulWgmma.Gated))(
            _queue, config, MatMulWgmma.Left(o.A, task.M, task.K), gate, up, task);
    }

    /// <summary>Gradients of inputs and weights: operands whose terms run down their columns are copied as they lie.</summary>
    private void GradientWgmma(Launch config, int width, ProductForm form, in Operands o, in ProductTask task)
    {
        bool wide = width == MatMulWgmma.Wide;
        var launch = form == ProductForm.Input
            ? wide ? _wgmmaInput ??= LoadMaps(MatMulWgmma.Input) : _wgmmaInputNarrow ??= LoadMaps(MatMulWgmma.InputNarrow)
            : wide ? _wgmmaWeight ??= LoadMaps(MatMulWgmma.Weight) : _wgmmaWeightNarrow ??= LoadMaps(MatMulWgmma.WeightNarrow);
        TensorMap left = form == ProductForm.Input ? MatMulWgmma.Left(o.A, task.M, task.K) : MatMulWgmma.Down(o.A, task.M, task.K);
        launch(_queue, config, left, MatMulWgmma.Down(o.B0, task.N0, task.K), task);
    }

    private Action<Queue, Launch, TensorMap, TensorMap, ProductTask> LoadMaps(Action<TensorMap, TensorMap, ProductTask> kernel) => _accelerator.LoadKernel(kernel);

    /// <summary>The first product of the head's loss, for a chunk of the vocabulary.</summary>
    private void HeadLogitsWgmma(
        Words x, Words w, Floats target, Ints targets, Words weights, Floats sums, Floats tops, Ints bests, Ints alive, HeadShape shape) =>
        (_headLogitsWgmma ??= _accelerator.LoadKernel<TensorMap, TensorMap, Floats, Ints, ArrayView<uint>, Floats, Floats, Ints, Ints, HeadShape>(HeadWgmma.Logits))(
            _queue, HeadWgmma.LogitsConfig(shape, Multiprocessors), HeadWgmma.Rows(x, shape), HeadWgmma.Entries(w, shape), target, targets,
            weights.Length == 0 ? default : weights.Cast<uint>(), sums, tops, bests, alive, shape);

    /// <summary>The second: gradient (+)= weights W over the chunk.</summary>
    private void HeadGradientWgmma(Words weights, Words w, Ints alive, Floats gradient, HeadShape shape)
    {
        var task = new ProductTask { M = shape.Rows, N0 = shape.Depth, K = shape.Pitch, Output0 = gradient, Accumulate = shape.Accumulate };
        (_headGradientWgmma ??= _accelerator.LoadKernel<TensorMap, TensorMap, Ints, ProductTask>(HeadWgmma.Gradient))(
            _queue, HeadWgmma.GradientConfig(task), HeadWgmma.Weights(weights, shape), HeadWgmma.Columns(w, shape), alive, task);
    }
}
#endif
