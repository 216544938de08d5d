#if ILGPU
using ILGPU.Runtime;
#else
using OllmNative.Runtime.Language;
#endif
using OllmNative.Kernels;

namespace OllmNative.Model.Cuda;

public sealed partial class CudaDevice
{
    private Action<Queue, Launch, Floats, Ints, Floats, Ints, int, int, int>? _headChunk;
    private Action<Queue, Launch, Floats, Ints, Ints, Floats, Floats, Ints, Floats, int, int>? _headFinish;
    private Action<Queue, Launch, Floats, Ints, Ints, Words, Floats, Ints, Floats, int, int, int>? _headFinishWords;
    private CudaBuffer<float>? _headLogits, _headState;
    private CudaBuffer<int>? _headBest;

    /// <inheritdoc/>
    /// <remarks>
    /// The gradient sum_v p_v W_v - W_y is attention over the vocabulary: each chunk's logits become weights relative to the largest
    /// logit so far, and are multiplied with the same rows of W; what the gradient held shrinks in that product's epilogue.
    /// </remarks>
    public override void HeadCrossEntropy(
        DeviceView<float> x, DeviceMatrix w, DeviceView<int> targets,
        DeviceView<float> loss, DeviceView<int> prediction, DeviceView<float> gradient)
    {
        var m = (CudaMatrix)w;
        int n = checked((int)targets.Length), d = m.Columns;
        Expect(x.Length == (long)n * d && loss.Length == n && prediction.Length == n, "HeadCrossEntropy: x [N, D], targets, loss, prediction [N]");
        Expect(gradient.IsEmpty || gradient.Length == x.Length, "HeadCrossEntropy: gradient [N, D]");
        if (n == 0) return;
        Weights weights = WeightsOf(m);
        if (ForTensorCores(weights) && _options.Has(KernelVersions.Head))
        {
            HeadOnTensorCores(x, weights, targets, loss, prediction, gradient);
            return;
        }
        int chunk = (int)Math.Min(m.Rows, Math.Max(128, _options.HeadWorkspace / n / 128 * 128));
        CudaBuffer<float> memory = Scratch(ref _headLogits, (long)n * chunk), state = Scratch(ref _headState, 4L * n);
        CudaBuffer<int> best = Scratch(ref _headBest, n);
        for (int first = 0; first < m.Rows; first += chunk)
        {
            int count = Math.Min(chunk, m.Rows - first);
            Weights part = weights.Part(first, count);
            DeviceView<float> logits = memory.First((long)n * count);
            ForwardProduct(x, part, default, Out(logits), n, false);                                     // l [N, chunk]
            Floats running = state.Write(0, 4L * n), shrink = state.Read(3L * n, n);
            (_headChunk ??= _accelerator.LoadKernel<Floats, Ints, Floats, Ints, int, int, int>(HeadLoss.Chunk))(
                _queue, RowGroups(n, count), Out(logits), In(targets), running, best.Write(0, n), n, first, count);
            if (!gradient.IsEmpty) InputProduct(logits, part, shrink, Out(gradient), n, first > 0);
        }
        Finish(m, n, state.Read(0, 4L * n), best.Read(0, n), targets, loss, prediction, gradient);
    }

    private void Finish(
        CudaMatrix m, int n, Floats state, Ints best, DeviceView<int> targets, DeviceView<float> loss, DeviceView<int> prediction, DeviceView<float> gradient)
    {
        Launch launch = Columns(n, m.Columns);
        if (m.IsFloat)
        {
            (_headFinish ??= _accelerator.LoadKernel<Floats, Ints, Ints, Floats, Floats, Ints, Floats, int, int>(HeadLoss.Finish))(
                _queue, launch, state, best, In(targets), m.Floats, Out(loss), Out(prediction), Out(gradient), n, m.Columns);
        }
        else
        {
            (_headFinishWords ??= _accelerator.LoadKernel<Floats, Ints, Ints, Words, Floats, Ints, Floats, int, int, int>(HeadLoss.FinishWords))(
                _queue, launch, state, best, In(targets), m.Words, Out(loss), Out(prediction), Out(gradient), n, m.Columns, m.WordType);
        }
    }
}
