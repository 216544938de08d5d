using OllmNative.Model;

namespace OllmNative.Training;

/// <summary>
/// Forward and backward over the rows of one step: the frozen backbone runs packed rows, or a cache has their hidden states;
/// those at the target positions go through the loss, gradients of the three modules add up. How rows are grouped never
/// changes which random numbers a position gets.
/// </summary>
public sealed class TrainStep : IDisposable
{
    private readonly TargetStates _states;
    private readonly CachedStates? _cached;
    private readonly OllmLoss _loss;
    private readonly DeviceBuffer<float>? _fromCache;
    private readonly int[] _targets;
    private readonly ulong[] _keys;
    private readonly int _d;
    private int _count;

    /// <summary>Allocates for rows of up to <paramref name="longestRow"/> tokens.</summary>
    public TrainStep(QwenBackbone backbone, OllmTensors parameters, OllmTensors gradients, LatentMode mode, int longestRow)
        : this(backbone, parameters, gradients, mode, longestRow, null, rounded: false)
    {
    }

    /// <summary>The same with a cache of hidden states.</summary>
    /// <param name="backbone">The model.</param>
    /// <param name="parameters">The modules.</param>
    /// <param name="gradients">Receives their gradients.</param>
    /// <param name="mode">How z is drawn.</param>
    /// <param name="longestRow">Tokens of the longest row.</param>
    /// <param name="cache">The cache; null computes the states of every step.</param>
    /// <param name="rounded">Round hidden states to bf16 as a cache does; without it results do not depend on the cache's type.</param>
    public TrainStep(QwenBackbone backbone, OllmTensors parameters, OllmTensors gradients, LatentMode mode, int longestRow, HiddenCache? cache, bool rounded)
    {
        ArgumentNullException.ThrowIfNull(backbone);
        int capacity = Math.Max(TargetStates.TokensPerPass, longestRow);
        _d = backbone.Config.HiddenSize;
        _loss = new OllmLoss(backbone, parameters, gradients, mode);
        _states = new TargetStates(backbone, capacity);
        if (rounded) _cached = new CachedStates(_states, cache, _d);
        if (cache is not null) _fromCache = backbone.Device.Allocate<float>((long)capacity * _d);
        (_targets, _keys) = (new int[capacity], new ulong[capacity]);
    }

    /// <summary>
    /// Adds the gradients of the mean loss over <paramref name="rows"/> and returns the sums of the losses.
    /// </summary>
    /// <param name="rows">All rows of the step (of this process).</param>
    /// <param name="firstRow">Place of rows[0] among all rows of the step, when several processes share one.</param>
    /// <param name="beta">Weight of the KL term.</param>
    /// <param name="totalTargets">Targets of the whole step, the denominator of the means.</param>
    /// <param name="stepKey">Random key of the step.</param>
    /// <param name="numbers">Numbers of the rows in the cache; empty without one.</param>
    /// <param name="cancellation">Stops between two passes; what is in the gradients then is of no use.</param>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public LossSums Accumulate(
        IReadOnlyList<TokenRow> rows, int firstRow, double beta, long totalTargets, ulong stepKey, ReadOnlySpan<int> numbers = default,
        CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(rows);
        if (!numbers.IsEmpty && _cached is { IsUsable: true })
        {
            _cached.Fill(rows, numbers, cancellation);
            if (_cached.IsUsable) return FromCache(rows, numbers, firstRow, (float)beta, 1f / totalTargets, stepKey, cancellation);
        }
        return FromBackbone(rows, firstRow, (float)beta, 1f / totalTargets, stepKey, cancellation);
    }

    /// <summary>Writes the rows that the cache lacks, without a gradient: what an earlier part of the run would have left there.</summary>
    public void Fill(IReadOnlyList<TokenRow> rows, ReadOnlySpan<int> numbers, CancellationToken cancellation) => _cached?.Fill(rows, numbers, cancellation);

    /// <inheritdoc/>
    public void Dispose()
    {
        _loss.Dispose();
        _states.Dispose();
        _fromCache?.Dispose();
    }

    private LossSums FromBackbone(IReadOnlyList<TokenRow> rows, int firstRow, float beta, float scale, ulong stepKey, CancellationToken cancellation)
    {
        LossSums sums = default;
        for (int r = 0; r < rows.Count;)
        {
            cancellation.ThrowIfCancellationRequested();
            _states.Clear();
            _count = 0;
            for (; r < rows.Count && _states.Takes(rows[r]); r++)
            {
                _states.Add(rows[r]);
                AddTargets(rows[r], Counter.Key(stepKey, (ulong)(firstRow + r)));
            }
            if (_count == 0) continue;
            DeviceView<float> states = _states.Run();
            _cached?.Round(states);
            sums += Loss(states, beta, scale);
        }
        return sums;
    }

    private LossSums FromCache(
        IReadOnlyList<TokenRow> rows, ReadOnlySpan<int> numbers, int firstRow, float beta, float scale, ulong stepKey, CancellationToken cancellation)
    {
        LossSums sums = default;
        for (int r = 0; r < rows.Count;)
        {
            cancellation.ThrowIfCancellationRequested();
            _count = 0;
            for (; r < rows.Count && (_count == 0 || _count + rows[r].Targets <= TargetStates.TokensPerPass); r++)
            {
                _cached!.Read(numbers[r], _fromCache!.View.Slice((long)_count * _d, (long)rows[r].Targets * _d));
                AddTargets(rows[r], Counter.Key(stepKey, (ulong)(firstRow + r)));
            }
            if (_count > 0) sums += Loss(_fromCache!.First((long)_count * _d), beta, scale);
        }
        return sums;
    }

    private void AddTargets(TokenRow row, ulong rowKey)
    {
        for (int t = row.FirstTarget; t < row.Tokens.Length; t++, _count++) (_targets[_count], _keys[_count]) = (row.Tokens[t], Counter.Key(rowKey, (ulong)t));
    }

    private LossSums Loss(DeviceView<float> states, float beta, float scale) =>
        _loss.Accumulate(states, _targets.AsSpan(0, _count), _keys.AsSpan(0, _count), beta, scale);
}
