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
    private Action<Queue, Launch, Floats, Floats, Floats, int, int>? _addOptions;
    private Action<Queue, Launch, Floats, Ints, Ints, Floats, int, int>? _scoreTokens;
    private Action<Queue, Launch, Ints, Ints, Ints, Ints, Ints, Ints, Ints, int, int>? _advanceRows;

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
    public override void AddOptions(DeviceView<float> z, DeviceMatrix table, DeviceView<float> pre)
    {
        var m = (CudaMatrix)table;
        Expect(m.IsFloat && z.Length * m.Columns == pre.Length * m.Rows, "AddOptions: z [N, K], table [K, M] of f32, pre [N, M]");
        if (pre.Length == 0) return;
        (_addOptions ??= _accelerator.LoadKernel<Floats, Floats, Floats, int, int>(Kernels.AddOptions.Forward))(
            _queue, Columns(pre.Length / m.Columns, m.Columns), Out(pre), In(z), m.Floats, m.Columns, m.Rows);
    }

    /// <inheritdoc/>
    public override void ScoreTokens(DeviceView<float> logits, DeviceView<int> picked, DeviceView<int> tokens, DeviceView<float> numbers, int columns)
    {
        int count = checked((int)(logits.Length / columns)), most = checked((int)(tokens.Length / count));
        Expect((picked.IsEmpty || picked.Length == count) && numbers.Length == (long)count * (Kernels.ScoreTokens.Fixed + most), "ScoreTokens: logits [N, V], picked [N], tokens [N, T], numbers [N, 2 + T]");
        (_scoreTokens ??= _accelerator.LoadKernel<Floats, Ints, Ints, Floats, int, int>(Kernels.ScoreTokens.Forward))(
            _queue, LogitGroups(count, columns), In(logits), In(picked), Out(tokens), Out(numbers), columns, most);
    }

    /// <summary>One group reads a row of logits from the cache again and again: the more threads, the more loads are under way.</summary>
    private Launch LogitGroups(int rows, int columns) => new(rows, _options.Plain ? 32 : columns <= 1024 ? 128 : 1024);

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
        (_sampleTokens ??= _accelerator.LoadKernel<Floats, Ints, Floats, Ints, Ints, int>(Kernels.SampleTokens.Forward))(
            _queue, LogitGroups(checked((int)picked.Length), columns), In(logits), In(rows), In(knobs), In(seen), Out(picked), columns);
    }
#endif
}
