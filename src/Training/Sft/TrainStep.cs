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
    private readonly DeviceBuffer<double> _own;
    private readonly int[] _targets;
    private readonly ulong[] _keys;
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
        ComputeDevice device = backbone.Device;
        int capacity = Math.Max(device.RowsPerPass, longestRow);
        // Half of a pass: prompts have no targets, and the loss takes more memory a row.
        _loss = new OllmLoss(backbone, parameters, gradients, mode, device.RowsPerPass / 2);
        _states = new TargetStates(backbone, capacity);
        if (rounded) _cached = new CachedStates(device, _states, cache, backbone.Config.HiddenSize, capacity);
        _own = device.Allocate<double>(StepState.Length);
        (_targets, _keys) = (new int[capacity], new ulong[capacity]);
    }

    /// <summary>
    /// Adds the gradients of the mean loss over <paramref name="rows"/> and returns the sums of the losses, for which it waits.
    /// </summary>
    /// <param name="rows">All rows of the step (of this process).</param>
    /// <param name="firstRow">Place of rows[0] among all rows of the step, when several processes share one.</param>
    /// <param name="beta">Weight of the KL term.</param>
    /// <param name="totalTargets">Targets of the whole step, the denominator of the means.</param>
    /// <param name="stepKey">Random key of the step.</param>
    /// <param name="numbers">Numbers of the rows in the cache; empty without one.</param>
    public LossSums Accumulate(
        IReadOnlyList<TokenRow> rows, int firstRow, double beta, long totalTargets, ulong stepKey, ReadOnlySpan<int> numbers = default)
    {
        ArgumentNullException.ThrowIfNull(rows);
        LossSums.Begin(_own.View, beta);
        Add(rows, firstRow, totalTargets, stepKey, numbers, _own.View);
        FinishWriting();
        long targets = 0;
        for (int r = 0; r < rows.Count; r++) targets += rows[r].Targets;
        return LossSums.Of(_own.View, targets);
    }

    /// <summary>The same with beta and the sums of the losses in a step's state on the device (<see cref="StepState"/>).</summary>
    /// <param name="rows">All rows of the step (of this process).</param>
    /// <param name="firstRow">Place of rows[0] among all rows of the step.</param>
    /// <param name="totalTargets">Targets of the whole step.</param>
    /// <param name="stepKey">Random key of the step.</param>
    /// <param name="numbers">Numbers of the rows in the cache; empty without one.</param>
    /// <param name="state">Gives beta; its totals are added to.</param>
    public void Add(IReadOnlyList<TokenRow> rows, int firstRow, long totalTargets, ulong stepKey, ReadOnlySpan<int> numbers, DeviceView<double> state)
    {
        ArgumentNullException.ThrowIfNull(rows);
        if (!numbers.IsEmpty && _cached is { IsUsable: true }) FromCache(rows, numbers, firstRow, 1f / totalTargets, stepKey, state);
        else FromBackbone(rows, firstRow, 1f / totalTargets, stepKey, state);
    }

    /// <summary>Writes the rows that the cache lacks, without a gradient: what an earlier part of the run would have left there.</summary>
    public void Fill(IReadOnlyList<TokenRow> rows, ReadOnlySpan<int> numbers)
    {
        ArgumentNullException.ThrowIfNull(rows);
        for (int r = 0; r < rows.Count && _cached is { IsUsable: true };)
        {
            int end = GroupEnd(rows, r);
            _cached.Fill(rows, numbers, r, end);
            r = end;
        }
        FinishWriting();
    }

    /// <summary>Starts to copy what the next step begins with, where the cache has it.</summary>
    public void SendAhead(IReadOnlyList<TokenRow> rows, ReadOnlySpan<int> numbers)
    {
        ArgumentNullException.ThrowIfNull(rows);
        if (_cached is { IsUsable: true }) _cached.SendAhead(numbers[..GroupEnd(rows, 0)]);
    }

    /// <summary>Waits for hidden states that are on their way to the cache.</summary>
    public void FinishWriting() => _cached?.FinishWriting();

    /// <inheritdoc/>
    public void Dispose()
    {
        _loss.Dispose();
        _cached?.Dispose();
        _states.Dispose();
        _own.Dispose();
    }

    private void FromBackbone(IReadOnlyList<TokenRow> rows, int firstRow, float scale, ulong stepKey, DeviceView<double> state)
    {
        for (int r = 0; r < rows.Count;)
        {
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
            Loss(states, scale, state);
        }
    }

    private void FromCache(IReadOnlyList<TokenRow> rows, ReadOnlySpan<int> numbers, int firstRow, float scale, ulong stepKey, DeviceView<double> state)
    {
        for (int r = 0; r < rows.Count;)
        {
            int first = r, end = GroupEnd(rows, r);
            _count = 0;
            for (; r < end; r++) AddTargets(rows[r], Counter.Key(stepKey, (ulong)(firstRow + r)));
            if (!_cached!.IsUsable)
            {
                // The disk has failed within the step.
                FromBackbone([.. rows.Skip(first)], firstRow + first, scale, stepKey, state);
                return;
            }
            DeviceView<float> states = _cached.Group(rows, numbers, first, end);
            if (end < rows.Count) _cached.SendAhead(numbers[end..GroupEnd(rows, end)]);
            if (_count > 0) Loss(states, scale, state);
        }
    }

    /// <summary>The row behind the last one of a group: as many as have no more targets than a pass has tokens.</summary>
    private int GroupEnd(IReadOnlyList<TokenRow> rows, int first)
    {
        int end = first + 1;
        for (int targets = rows[first].Targets; end < rows.Count && (targets += rows[end].Targets) <= _states.TokensPerPass;) end++;
        return end;
    }

    private void AddTargets(TokenRow row, ulong rowKey)
    {
        for (int t = row.FirstTarget; t < row.Tokens.Length; t++, _count++) (_targets[_count], _keys[_count]) = (row.Tokens[t], Counter.Key(rowKey, (ulong)t));
    }

    private void Loss(DeviceView<float> states, float scale, DeviceView<double> state) =>
        _loss.Add(states, _targets.AsSpan(0, _count), _keys.AsSpan(0, _count), scale, state);
}
