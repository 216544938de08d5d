#if !ILGPU
using OllmNative.Kernels;
using OllmNative.Runtime.Cuda;
using OllmNative.Runtime.Extensions;
using OllmNative.Runtime.Language;

namespace OllmNative.Model.Cuda;

/// <summary>What decoding gains by: norms inside of the products of a few rows, and steps recorded into a graph.</summary>
public sealed partial class CudaDevice
{
    // Sequences of a recorded step at most, and recordings: as sequences end, each number of them that is left has its own.
    private const int MostRecordedRows = 64, MostRecordings = 96;

    private bool _repeating, _recordsNothing;

    private readonly Dictionary<(RepeatKey Key, int Keys), KernelGraph?> _recordings = [];
    private Action<Queue, Launch, Floats, Floats, Words, Words, Words, Floats, Floats, Floats, Floats, Floats, Floats, NormProductsShape>? _normOne, _normFour, _normEight;
    private Action<Queue, Launch, Floats, Floats, Words, Words, Floats, NormProductsShape>? _gateOne, _gateFour, _gateEight;

    /// <inheritdoc/>
    public override void NormMatMulEach(DeviceView<float> x, DeviceView<float> gain, float eps, DeviceView<float> normed, params ReadOnlySpan<Projection> projections)
    {
        if (TensorNormProducts(x, gain, eps, projections)) return;
        if (projections.Length is < 1 or > 3 || !Fusible(x, gain, projections))
        {
            if (!LargeNormEach(x, gain, eps, normed, projections)) base.NormMatMulEach(x, gain, eps, normed, projections);
            return;
        }
        Projection first = projections[0], second = projections.Length > 1 ? projections[1] : default, third = projections.Length > 2 ? projections[2] : default;
        NormProductsShape shape = FusedShape(x, gain, eps);
        (shape.Outputs0, shape.Outputs1, shape.Outputs2) = (first.W.Rows, second.W?.Rows ?? 0, third.W?.Rows ?? 0);
        var launch = shape.Rows == 1 ? _normOne ??= LoadNorm(NormProducts.One)
            : shape.Rows <= 4 ? _normFour ??= LoadNorm(NormProducts.Four)
            : _normEight ??= LoadNorm(NormProducts.Eight);
        launch(
            _queue, NormProducts.Config(shape), In(x), In(gain), WordsOf(first.W), WordsOf(second.W), WordsOf(third.W),
            In(first.Bias), In(second.Bias), In(third.Bias), Out(first.Output), Out(second.Output), Out(third.Output), shape);
    }

    /// <inheritdoc/>
    public override void NormGateUp(
        DeviceView<float> x, DeviceView<float> gain, float eps, DeviceView<float> normed, DeviceMatrix gate, DeviceMatrix up,
        DeviceView<float> output, DeviceView<float> upOutput)
    {
        ArgumentNullException.ThrowIfNull(gate);
        ArgumentNullException.ThrowIfNull(up);
        if (TensorGateUp(x, gain, eps, (CudaMatrix)gate, (CudaMatrix)up, output)) return;
        if (!Fusible(x, gain, [new Projection(gate, default, output), new Projection(up, default, upOutput)]))
        {
            if (LargeGateUp(x, gain, eps, normed, gate, up, output, inBf16Alone: false).Length == 0) base.NormGateUp(x, gain, eps, normed, gate, up, output, upOutput);
            return;
        }
        NormProductsShape shape = FusedShape(x, gain, eps);
        shape.Outputs0 = gate.Rows;
        var launch = shape.Rows == 1 ? _gateOne ??= LoadGate(NormProducts.GateUpOne)
            : shape.Rows <= 4 ? _gateFour ??= LoadGate(NormProducts.GateUpFour)
            : _gateEight ??= LoadGate(NormProducts.GateUpEight);
        launch(_queue, NormProducts.GateConfig(shape), In(x), In(gain), WordsOf(gate), WordsOf(up), Out(output), shape);
    }

    /// <inheritdoc/>
    /// <remarks>
    /// The first step with a key runs, so that kernels are loaded and memory is there; the second is recorded. The tables that say how long
    /// the sequences are lie in device memory and are uploaded before; the key's layout holds up to the next power of two of keys.
    /// </remarks>
    public override void Repeat(in RepeatKey key, ReadOnlySpan<SequenceSpan> sequences, Action work)
    {
        ArgumentNullException.ThrowIfNull(work);
        // What is repeated within repeated work is a part of it.
        if (_repeating || !_options.Graphs || _recordsNothing || sequences.Length > MostRecordedRows || LaunchProfiler.Active is not null)
        {
            work();
            return;
        }
        _repeating = true;
        try
        {
            RunOrReplay(key, sequences, work);
        }
        finally
        {
            _repeating = false;
        }
    }

    private void RunOrReplay(in RepeatKey key, ReadOnlySpan<SequenceSpan> sequences, Action work)
    {
        int keys = 0;
        foreach (SequenceSpan sequence in sequences) keys = Math.Max(keys, sequence.Past + sequence.Count);
        (RepeatKey, int) place = (key, KeyBucket(keys));
        if (!_recordings.TryGetValue(place, out KernelGraph? recording))
        {
            ForgetCopies();
            work();
            if (_recordings.Count >= MostRecordings) ForgetRecordings();
            _recordings[place] = null;
            return;
        }
        Items(sequences, 1);
        // Copies go to the same memory as in the first step, so that none of it has to grow.
        ForgetCopies();
        bool started = Starts(place, recording, work);
        // What a recording writes does not count as written, and what one that failed would have written is not there: no copy is to be trusted.
        ForgetCopies();
        if (!started) work();
    }

    /// <summary>
    /// Starts the recording, which is made where there is none. False where the driver refuses either, which leaves nothing done: then there are
    /// no recordings any more, and the work is given to the queue as it is.
    /// </summary>
    private bool Starts((RepeatKey, int) place, KernelGraph? recording, Action work)
    {
        try
        {
            if (recording is null) _recordings[place] = recording = _queue.CaptureGraph(work);
            recording.Launch();
            return true;
        }
        catch (CudaException error) when (_accelerator is not CudaAccelerator { IsLost: true })
        {
            _recordsNothing = true;
            ForgetRecordings();
            _options.Warn?.Invoke($"{_accelerator.Name} takes no recording of repeated work: {error.Message}; each kernel is launched by itself from here on");
            return false;
        }
    }

    private void ForgetRecordings()
    {
        foreach (KernelGraph? recording in _recordings.Values) recording?.Dispose();
        _recordings.Clear();
    }

    /// <summary>A few rows with bf16 weights, everything where 16-byte loads can reach it.</summary>
    private bool Fusible(DeviceView<float> x, DeviceView<float> gain, ReadOnlySpan<Projection> projections)
    {
        bool fits = !_options.Plain && x.Length > 0 && x.Length <= ProductTable.MostFewRows * gain.Length && gain.Length % 8 == 0 && x.Offset % 4 == 0 && gain.Offset % 4 == 0;
        foreach (Projection projection in projections)
        {
            var m = (CudaMatrix)projection.W;
            fits = fits && m.Columns == gain.Length && HasBf16(m);
        }
        return fits;
    }

    private static NormProductsShape FusedShape(DeviceView<float> x, DeviceView<float> gain, float eps) =>
        new() { Rows = checked((int)(x.Length / gain.Length)), Inputs = checked((int)gain.Length), Epsilon = eps };

    private Words WordsOf(DeviceMatrix? matrix) => matrix is null ? default : WeightsOf((CudaMatrix)matrix).Words;

    private Action<Queue, Launch, Floats, Floats, Words, Words, Words, Floats, Floats, Floats, Floats, Floats, Floats, NormProductsShape> LoadNorm(
        Action<Floats, Floats, Words, Words, Words, Floats, Floats, Floats, Floats, Floats, Floats, NormProductsShape> kernel) => _accelerator.LoadKernel(kernel);

    private Action<Queue, Launch, Floats, Floats, Words, Words, Floats, NormProductsShape> LoadGate(
        Action<Floats, Floats, Words, Words, Floats, NormProductsShape> kernel) => _accelerator.LoadKernel(kernel);
}
#endif
