namespace OllmNative.Training;

/// <summary>Bounds the work of one comparison; once spent, everything left counts as different.</summary>
internal sealed class WorkBudget(int steps)
{
    private int _left = steps;

    /// <summary>Takes <paramref name="steps"/> from what is left; false when there is not enough.</summary>
    public bool Spend(int steps)
    {
        _left -= Math.Min(steps, _left + 1);
        return _left >= 0;
    }
}
