namespace OllmNative.Model;

/// <summary>
/// New tokens of several sequences, packed without padding: row after row, sequence after sequence. Filled on the host,
/// then uploaded once; the memory is reused.
/// </summary>
public sealed class TokenBatch : IDisposable
{
    private readonly int[] _tokens;
    private readonly int[] _positions;
    private readonly int[] _cacheRows;
    private readonly SequenceSpan[] _spans;
    private readonly int[] _packed;
    private readonly DeviceBuffer<int> _device;

    /// <summary>Makes room for <paramref name="capacity"/> rows (and as many sequences).</summary>
    public TokenBatch(ComputeDevice device, int capacity)
    {
        ArgumentNullException.ThrowIfNull(device);
        Capacity = capacity;
        _tokens = new int[capacity];
        _positions = new int[capacity];
        _cacheRows = new int[capacity];
        _spans = new SequenceSpan[capacity];
        _packed = new int[3 * capacity];
        _device = device.Allocate<int>(3L * capacity);
    }

    /// <summary>Largest number of rows.</summary>
    public int Capacity { get; }

    /// <summary>Rows N of the batch.</summary>
    public int Rows { get; private set; }

    /// <summary>Sequences of the batch.</summary>
    public int Count { get; private set; }

    /// <summary>Where each sequence's rows lie.</summary>
    public ReadOnlySpan<SequenceSpan> Spans => _spans.AsSpan(0, Count);

    /// <summary>Largest position + 1.</summary>
    public int Positions { get; private set; }

    /// <summary>Token ids [N] on the device.</summary>
    public DeviceView<int> Tokens => _device.View.Slice(0, Rows);

    /// <summary>Position of each row [N] on the device.</summary>
    public DeviceView<int> PositionIds => _device.View.Slice(Rows, Rows);

    /// <summary>Cache row of each row [N] on the device.</summary>
    public DeviceView<int> CacheRows => _device.View.Slice(2L * Rows, Rows);

    /// <summary>Tokens, positions and cache rows on the device, [3, N].</summary>
    public DeviceView<int> Packed => _device.View.Slice(0, 3L * Rows);

    /// <summary>Follows what <see cref="ComputeDevice.AdvanceRows"/> does on the device to sequences of one row each; the tokens stay the device's.</summary>
    public void Advance()
    {
        for (int i = 0; i < Count; i++) _spans[i] = _spans[i] with { Past = _spans[i].Past + 1 };
        Positions++;
    }

    /// <summary>Starts over.</summary>
    public void Clear() => Rows = Count = Positions = 0;

    /// <summary>
    /// Adds tokens of a sequence whose first <paramref name="past"/> tokens are in the cache already, from row
    /// <paramref name="cacheRow"/> on. Returns the first row that they take in the batch.
    /// </summary>
    public int Add(ReadOnlySpan<int> tokens, int past, int cacheRow)
    {
        if (Rows + tokens.Length > Capacity) throw new ArgumentException($"a batch of {Capacity} rows is full");
        int first = Rows;
        tokens.CopyTo(_tokens.AsSpan(first));
        for (int i = 0; i < tokens.Length; i++)
        {
            _positions[first + i] = past + i;
            _cacheRows[first + i] = cacheRow + past + i;
        }
        _spans[Count++] = new SequenceSpan(first, tokens.Length, past, cacheRow);
        Rows += tokens.Length;
        Positions = Math.Max(Positions, past + tokens.Length);
        return first;
    }

    /// <summary>Sends the rows to the device, in one piece: on a GPU every upload waits.</summary>
    public void Upload()
    {
        _tokens.AsSpan(0, Rows).CopyTo(_packed);
        _positions.AsSpan(0, Rows).CopyTo(_packed.AsSpan(Rows));
        _cacheRows.AsSpan(0, Rows).CopyTo(_packed.AsSpan(2 * Rows));
        _device.Upload(0, _packed.AsSpan(0, 3 * Rows));
    }

    /// <inheritdoc/>
    public void Dispose() => _device.Dispose();
}
