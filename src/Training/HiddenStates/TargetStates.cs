using OllmNative.Model;

namespace OllmNative.Training;

/// <summary>
/// The frozen backbone over packed rows: final-norm hidden states at the positions that predict the targets. Rows lie one
/// behind the other without padding.
/// </summary>
internal sealed class TargetStates : IDisposable
{
    private readonly QwenBackbone _backbone;
    private readonly TokenBatch _batch;
    private readonly KvCache _cache;
    private readonly ForwardBuffers _buffers;
    private readonly DeviceBuffer<float> _hidden, _atTargets;
    private readonly DeviceBuffer<int> _rows;
    private readonly int[] _hostRows;
    private readonly int _d;
    private int _targets;

    /// <summary>Allocates for passes of up to <paramref name="capacity"/> tokens.</summary>
    public TargetStates(QwenBackbone backbone, int capacity)
    {
        ComputeDevice device = backbone.Device;
        (_backbone, _d, TokensPerPass) = (backbone, backbone.Config.HiddenSize, device.RowsPerPass);
        _batch = new TokenBatch(device, capacity);
        _cache = new KvCache(device, backbone.Config, capacity, singlePass: true);
        _buffers = new ForwardBuffers(device, backbone.Config, capacity);
        _hidden = device.Allocate<float>((long)capacity * _d);
        _atTargets = device.Allocate<float>((long)capacity * _d);
        _rows = device.Allocate<int>(capacity);
        _hostRows = new int[capacity];
    }

    /// <summary>Tokens that go through the backbone together, unless a single row is longer.</summary>
    public int TokensPerPass { get; }

    /// <summary>Tokens in the next pass.</summary>
    public int Tokens => _batch.Rows;

    /// <summary>Whether a row still goes into the next pass; an empty one takes any row.</summary>
    public bool Takes(TokenRow row) => Tokens == 0 || Tokens + row.Tokens.Length <= TokensPerPass;

    /// <summary>Empties the next pass.</summary>
    public void Clear()
    {
        _batch.Clear();
        _targets = 0;
    }

    /// <summary>Puts a row into the next pass.</summary>
    public void Add(TokenRow row)
    {
        int at = _batch.Add(row.Tokens, past: 0, cacheRow: _batch.Rows);
        for (int t = row.FirstTarget; t < row.Tokens.Length; t++) _hostRows[_targets++] = at + t - 1;
    }

    /// <summary>Runs the pass: states [targets, D] of its rows, in the order in which they were added; valid until the next run.</summary>
    public DeviceView<float> Run()
    {
        _batch.Upload();
        DeviceView<float> hidden = _hidden.First((long)_batch.Rows * _d), atTargets = _atTargets.First((long)_targets * _d);
        _backbone.Forward(_batch, _cache, _buffers, hidden);
        _rows.First(_targets).Upload(_hostRows.AsSpan(0, _targets));
        _backbone.Device.GatherRows(hidden, _rows.First(_targets), atTargets, _d);
        return atTargets;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (IDisposable item in (IDisposable[])[_batch, _cache, _buffers, _hidden, _atTargets, _rows]) item.Dispose();
    }
}
