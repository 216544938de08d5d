#if ILGPU
using ILGPU;
using ILGPU.Runtime;
#else
using OllmNative.Runtime.Extensions;
using OllmNative.Runtime.Language;
#endif
using OllmNative.Kernels;

namespace OllmNative.Model.Cuda;

/// <summary>From hidden states to tokens without the host.</summary>
public sealed partial class CudaDevice
{
    private Action<Queue, Launch, Floats, Ints, Floats, Floats, Ints, int, int>? _optionChoice;
    private Action<Queue, Launch, Floats, Floats, Ints, int>? _addChosen;
    private Action<Queue, Launch, Ints, Ints, Ints, Ints, Ints, Ints, Ints, int, int>? _advanceRows;

    /// <inheritdoc/>
    public override bool StepsAlone => _options.StepsAlone;

    /// <inheritdoc/>
    public override void ChooseOptions(DeviceView<float> logits, DeviceView<int> rows, DeviceView<float> pi, DeviceView<float> hot, DeviceView<int> chosen, int columns)
    {
        Expect(pi.Length == logits.Length && hot.Length == logits.Length && chosen.Length * columns == 2 * logits.Length, "ChooseOptions: logits, pi, hot [N, K], chosen [N, 2]");
        int count = checked((int)(chosen.Length / 2));
        (_optionChoice ??= _accelerator.LoadKernel<Floats, Ints, Floats, Floats, Ints, int, int>(OptionChoice.Forward))(
            _queue, EachRow(count), In(logits), In(rows), Out(pi), Out(hot), Out(chosen), count, columns);
    }

    /// <inheritdoc/>
    public override void AddChosen(DeviceView<float> b, DeviceView<float> hidden, DeviceView<int> chosen, int columns)
    {
        Expect(b.Length == hidden.Length && chosen.Length * columns == 2 * b.Length, "AddChosen: b, hidden [N, D], chosen [N, 2]");
        (_addChosen ??= _accelerator.LoadKernel<Floats, Floats, Ints, int>(Kernels.AdvanceRows.AddChosen))(
            _queue, Columns(chosen.Length / 2, columns), Out(b), In(hidden), In(chosen), columns);
    }

    /// <inheritdoc/>
    public override void AdvanceRows(DeviceView<int> picked, DeviceView<int> chosen, DeviceView<int> batch, DeviceView<int> rows, DeviceView<int> seen, DeviceView<int> results)
    {
        int count = checked((int)picked.Length), words = checked((int)(seen.Length / count));
        Expect(batch.Length == 3L * count && rows.Length == (long)count * DecodeRow.Ints && results.Length == 2L * count * DecodeRow.Results, "AdvanceRows: batch [3, N], rows [N, 12], results [2, N, 4]");
        // Without attention before it, there is no table of sequences to move on.
        Ints items = Scratch(ref _items, 4L * count).Write(0, 4L * count);
        (_advanceRows ??= _accelerator.LoadKernel<Ints, Ints, Ints, Ints, Ints, Ints, Ints, int, int>(Kernels.AdvanceRows.Forward))(
            _queue, EachRow(count), In(picked), In(chosen), Out(batch), items, Out(rows), Out(seen), Out(results), count, words);
    }

    /// <inheritdoc/>
    public override void SequencesAdvanced()
    {
        for (int i = 0; i < _spanCount; i++) _spans[i] = _spans[i] with { Past = _spans[i].Past + 1 };
        for (int i = 0; i < _blockCount; i++) _blocks[i] = _blocks[i] with { Past = _blocks[i].Past + 1 };
        _mostKeys++;
    }

#if !ILGPU
    private Action<Queue, Launch, Floats, Ints, Floats, Ints, Ints, int>? _sampleTokens;

    /// <inheritdoc/>
    public override void SampleTokens(DeviceView<float> logits, DeviceView<int> rows, DeviceView<float> knobs, DeviceView<int> seen, DeviceView<int> picked, int columns)
    {
        Expect(logits.Length == picked.Length * columns && seen.Length == picked.Length * ((columns + 31) / 32), "SampleTokens: logits [N, V], seen [N, words], picked [N]");
        // One group reads a row from the cache again and again: the more threads, the more loads are under way.
        int threads = _options.Plain ? 32 : columns <= 1024 ? 128 : 1024;
        (_sampleTokens ??= _accelerator.LoadKernel<Floats, Ints, Floats, Ints, Ints, int>(Kernels.SampleTokens.Forward))(
            _queue, new Launch(checked((int)picked.Length), threads), In(logits), In(rows), In(knobs), In(seen), Out(picked), columns);
    }

    /// <inheritdoc/>
    public override DeviceReadback Readback(DeviceBuffer<int> source) => new PageLockedReadback(_accelerator, _queue, (CudaBuffer<int>)source);

    /// <summary>Copies to page-locked memory; a mark is an event that is recorded again and again.</summary>
    private sealed class PageLockedReadback(Accelerator accelerator, Queue queue, CudaBuffer<int> source) : DeviceReadback
    {
        private readonly PageLockedArray1D<int> _memory = accelerator.AllocatePageLocked1D<int>(source.Length);
        private readonly ProfilingMarker[] _marks = [queue.AddProfilingMarker(), queue.AddProfilingMarker()];

        public override ReadOnlySpan<int> Values => _memory.Span;

        public override void Fetch() => source.Read(0, source.Length).CopyToPageLockedAsync(queue, _memory);

        public override void Mark(int place) => queue.Move(_marks[place]);

        public override void Wait(int place) => _marks[place].Synchronize();

        protected override void Dispose(bool disposing)
        {
            if (disposing)
            {
                foreach (ProfilingMarker mark in _marks) mark.Dispose();
                _memory.Dispose();
            }
            base.Dispose(disposing);
        }
    }
#endif
}
