using OllmNative.Model;

namespace OllmNative.Training;

/// <summary>
/// Forward and backward over the rows of one step: the frozen backbone runs packed rows, hidden states at the target
/// positions go through the loss, gradients of the three modules add up. How rows are grouped never changes which random
/// numbers a position gets.
/// </summary>
public sealed class TrainStep : IDisposable
{
    /// <summary>Tokens that go through the backbone together, unless a single row is longer.</summary>
    private const int TokensPerPass = 2048;

    private readonly QwenBackbone _backbone;
    private readonly OllmLoss _loss;
    private readonly TokenBatch _batch;
    private readonly KvCache _cache;
    private readonly ForwardBuffers _buffers;
    private readonly DeviceBuffer<float> _hidden, _atTargets;
    private readonly DeviceBuffer<int> _rows;
    private readonly int[] _hostRows, _targets;
    private readonly ulong[] _keys;
    private readonly int _d;

    /// <summary>Allocates for rows of up to <paramref name="longestRow"/> tokens.</summary>
    public TrainStep(QwenBackbone backbone, OllmTensors parameters, OllmTensors gradients, LatentMode mode, int longestRow)
    {
        ArgumentNullException.ThrowIfNull(backbone);
        int capacity = Math.Max(TokensPerPass, longestRow);
        (_backbone, _d) = (backbone, backbone.Config.HiddenSize);
        ComputeDevice device = backbone.Device;
        _loss = new OllmLoss(backbone, parameters, gradients, mode);
        _batch = new TokenBatch(device, capacity);
        _cache = new KvCache(device, backbone.Config, capacity, singlePass: true);
        _buffers = new ForwardBuffers(device, backbone.Config, capacity);
        _hidden = device.Allocate<float>((long)capacity * _d);
        _atTargets = device.Allocate<float>((long)capacity * _d);
        _rows = device.Allocate<int>(capacity);
        (_hostRows, _targets, _keys) = (new int[capacity], new int[capacity], new ulong[capacity]);
    }

    /// <summary>
    /// Adds the gradients of the mean loss over <paramref name="rows"/> and returns the sums of the losses.
    /// </summary>
    /// <param name="rows">All rows of the step (of this process).</param>
    /// <param name="firstRow">Place of rows[0] among all rows of the step, when several processes share one.</param>
    /// <param name="beta">Weight of the KL term.</param>
    /// <param name="totalTargets">Targets of the whole step, the denominator of the means.</param>
    /// <param name="stepKey">Random key of the step.</param>
    public LossSums Accumulate(IReadOnlyList<TokenRow> rows, int firstRow, double beta, long totalTargets, ulong stepKey)
    {
        ArgumentNullException.ThrowIfNull(rows);
        LossSums sums = default;
        for (int first = 0; first < rows.Count;)
        {
            int count = 0, tokens = 0;
            while (first + count < rows.Count && (count == 0 || tokens + rows[first + count].Tokens.Length <= TokensPerPass))
                tokens += rows[first + count++].Tokens.Length;
            int targets = Pack(rows, first, count, firstRow, stepKey);
            if (targets > 0) sums += Pass(targets, (float)beta, 1f / totalTargets);
            first += count;
        }
        return sums;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (IDisposable item in (IDisposable[])[_loss, _batch, _cache, _buffers, _hidden, _atTargets, _rows]) item.Dispose();
    }

    private int Pack(IReadOnlyList<TokenRow> rows, int first, int count, int firstRow, ulong stepKey)
    {
        _batch.Clear();
        int targets = 0;
        for (int r = first; r < first + count; r++)
        {
            TokenRow row = rows[r];
            ulong rowKey = Counter.Key(stepKey, (ulong)(firstRow + r));
            int at = _batch.Add(row.Tokens, past: 0, cacheRow: _batch.Rows);
            for (int t = row.FirstTarget; t < row.Tokens.Length; t++, targets++)
            {
                _hostRows[targets] = at + t - 1;
                _targets[targets] = row.Tokens[t];
                _keys[targets] = Counter.Key(rowKey, (ulong)t);
            }
        }
        return targets;
    }

    private LossSums Pass(int targets, float beta, float scale)
    {
        _batch.Upload();
        DeviceView<float> hidden = _hidden.First((long)_batch.Rows * _d), atTargets = _atTargets.First((long)targets * _d);
        _backbone.Forward(_batch, _cache, _buffers, hidden);
        _rows.First(targets).Upload(_hostRows.AsSpan(0, targets));
        _backbone.Device.GatherRows(hidden, _rows.First(targets), atTargets, _d);
        return _loss.Accumulate(atTargets, _targets.AsSpan(0, targets), _keys.AsSpan(0, targets), beta, scale);
    }
}
