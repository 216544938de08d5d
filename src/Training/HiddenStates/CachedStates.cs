using OllmNative.Model;

namespace OllmNative.Training;

/// <summary>
/// Hidden states through the cache, a group of rows at a time: rows that it lacks are computed, rounded on the device and written behind
/// the step's back; the others come from its mapped file, the next group's while the device works on this one. Either way a row has the
/// same bits, however often it comes and whether or not the cache was there before. Where the disk fails, the backbone runs in every epoch,
/// and its states are rounded to bf16 all the same.
/// </summary>
internal sealed class CachedStates : IDisposable
{
    private readonly ComputeDevice _device;
    private readonly TargetStates _passes;
    private readonly HiddenCache? _cache;
    private readonly int _d;
    private readonly DeviceBuffer<ushort> _words;
    private readonly DeviceBuffer<float>? _group;
    private readonly ReadBack<ushort>? _written;
    private readonly Feed<ushort>? _feed;
    private readonly List<int> _pass = [], _unwritten = [], _sent = [];

    /// <summary>Allocates for passes and groups of up to <paramref name="capacity"/> targets.</summary>
    public CachedStates(ComputeDevice device, TargetStates passes, HiddenCache? cache, int hiddenSize, int capacity)
    {
        (_device, _passes, _cache, _d) = (device, passes, cache, hiddenSize);
        _words = device.Allocate<ushort>((long)capacity * _d);
        if (cache is null) return;
        _group = device.Allocate<float>((long)capacity * _d);
        (_written, _feed) = (device.NewReadBack<ushort>((long)capacity * _d, 1), device.NewFeed<ushort>((long)capacity * _d));
    }

    /// <summary>Whether the cache can be written and read.</summary>
    public bool IsUsable => _cache is { IsUsable: true };

    /// <summary>states = bf16(states).</summary>
    public void Round(DeviceView<float> states)
    {
        _written?.Settle();
        _device.RoundRows(states, _words.First(states.Length));
    }

    /// <summary>The states [targets, D] of some rows, one behind the other; valid until the next group.</summary>
    /// <param name="rows">All rows of the step.</param>
    /// <param name="numbers">Their numbers in the cache.</param>
    /// <param name="first">The group's first row.</param>
    /// <param name="end">The row behind its last.</param>
    public DeviceView<float> Group(IReadOnlyList<TokenRow> rows, ReadOnlySpan<int> numbers, int first, int end)
    {
        ReadOnlySpan<int> own = numbers[first..end];
        if (AnyUnwritten(own)) FinishWriting();
        long targets = 0;
        for (int r = first; r < end; r++) targets += rows[r].Targets;
        DeviceView<float> group = _group!.First(targets * _d);
        if (!HoldsAll(own)) Compute(rows, numbers, first, end, group);
        else
        {
            if (_feed!.Waiting > 0 && !own.SequenceEqual(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_sent))) Drop();
            if (_feed.Waiting == 0) Send(own);
            _device.WidenRows(_feed.Take(), group);
            _feed.Release();
        }
        return group;
    }

    /// <summary>Starts to copy a group to the device that will be asked for next, where the cache has all of it.</summary>
    public void SendAhead(ReadOnlySpan<int> numbers)
    {
        if (_device.RunsAhead && IsUsable && _feed!.Waiting == 0 && _feed.HasRoom && HoldsAll(numbers)) Send(numbers);
    }

    /// <summary>Computes and writes the rows of a group that the cache lacks.</summary>
    public void Fill(IReadOnlyList<TokenRow> rows, ReadOnlySpan<int> numbers, int first, int end)
    {
        if (!HoldsAll(numbers[first..end])) Compute(rows, numbers, first, end, default);
    }

    /// <summary>Waits for the states that are on their way to the cache.</summary>
    public void FinishWriting()
    {
        if (_written is not { Pending: > 0 }) return;
        ReadOnlySpan<ushort> words = _written.Read();
        foreach (int number in _unwritten)
        {
            int length = _cache!.TargetsOf(number) * _d;
            if (!_cache.Write(number, words[..length])) break;
            words = words[length..];
        }
        _unwritten.Clear();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (IDisposable? item in (IDisposable?[])[_written, _feed, _words, _group]) item?.Dispose();
    }

    private bool AnyUnwritten(ReadOnlySpan<int> numbers)
    {
        foreach (int number in _unwritten)
            if (numbers.Contains(number)) return true;
        return false;
    }

    private bool HoldsAll(ReadOnlySpan<int> numbers)
    {
        foreach (int number in numbers)
            if (!_cache!.Has(number)) return false;
        return true;
    }

    /// <summary>
    /// Packs the rows that the cache lacks, each once, as a step without a cache packs them; the other rows of the group are read. Without a
    /// group nothing is kept.
    /// </summary>
    private void Compute(IReadOnlyList<TokenRow> rows, ReadOnlySpan<int> numbers, int first, int end, DeviceView<float> group)
    {
        if (!group.IsEmpty) ReadThere(rows, numbers, first, end, group);
        _passes.Clear();
        _pass.Clear();
        for (int r = first; r < end; r++)
        {
            if (_cache!.Has(numbers[r]) || numbers[first..r].Contains(numbers[r])) continue;
            if (!_passes.Takes(rows[r])) RunPass(rows, numbers, first, end, group);
            _passes.Add(rows[r]);
            _pass.Add(numbers[r]);
        }
        RunPass(rows, numbers, first, end, group);
    }

    private void RunPass(IReadOnlyList<TokenRow> rows, ReadOnlySpan<int> numbers, int first, int end, DeviceView<float> group)
    {
        if (_pass.Count == 0) return;
        DeviceView<float> states = _passes.Run();
        // The pass before has been on its way since then; this one keeps the device busy.
        FinishWriting();
        _written!.Settle();
        DeviceView<ushort> words = _words.First(states.Length);
        _device.RoundRows(states, words);
        _written.Start(words);
        _unwritten.AddRange(_pass);
        if (!group.IsEmpty) Place(rows, numbers, first, end, group, states);
        if (!_device.RunsAhead) FinishWriting();
        _passes.Clear();
        _pass.Clear();
    }

    /// <summary>Copies the states of a pass to the rows of the group that they belong to.</summary>
    private void Place(IReadOnlyList<TokenRow> rows, ReadOnlySpan<int> numbers, int first, int end, DeviceView<float> group, DeviceView<float> states)
    {
        long from = 0;
        foreach (int number in _pass)
        {
            long length = (long)_cache!.TargetsOf(number) * _d, to = 0;
            for (int r = first; r < end; to += (long)rows[r].Targets * _d, r++)
                if (numbers[r] == number) _device.Copy(states.Slice(from, length), group.Slice(to, length));
            from += length;
        }
    }

    private void ReadThere(IReadOnlyList<TokenRow> rows, ReadOnlySpan<int> numbers, int first, int end, DeviceView<float> group)
    {
        long to = 0;
        for (int r = first; r < end; to += (long)rows[r].Targets * _d, r++)
        {
            if (!_cache!.Has(numbers[r])) continue;
            DeviceView<ushort> words = _words.First((long)rows[r].Targets * _d);
            _written!.Settle();
            words.Upload(_cache.Words(numbers[r]));
            _device.WidenRows(words, group.Slice(to, words.Length));
        }
    }

    private void Send(ReadOnlySpan<int> numbers)
    {
        int count = 0;
        foreach (int number in numbers) count += _cache!.TargetsOf(number) * _d;
        Span<ushort> host = _feed!.Host(count);
        foreach (int number in numbers)
        {
            ReadOnlySpan<ushort> words = _cache!.Words(number);
            words.CopyTo(host);
            host = host[words.Length..];
        }
        _feed.Send();
        _sent.Clear();
        _sent.AddRange(numbers);
    }

    /// <summary>A group that was sent ahead and is not the one that is asked for.</summary>
    private void Drop()
    {
        _feed!.Take();
        _feed.Release();
    }
}
