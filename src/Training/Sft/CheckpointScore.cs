namespace OllmNative.Training;

/// <summary>
/// How good the modules were between two checkpoints: the token cross-entropy on the validation rows where it was measured,
/// otherwise the mean of the steps. Not the loss, whose weight of the KL term moves during a run.
/// </summary>
internal sealed class CheckpointScore
{
    private double _sum;
    private int _steps;
    private double? _validation;

    /// <summary>Counts a step.</summary>
    public void Add(TrainMetrics step)
    {
        _sum += step.Ce;
        _steps++;
        _validation = step.Validation?.Ce ?? _validation;
    }

    /// <summary>The score of the checkpoint that is written now, and starts anew; null when no step was made since the last one.</summary>
    public double? Take()
    {
        double? score = _validation ?? (_steps == 0 ? null : _sum / _steps);
        (_sum, _steps, _validation) = (0, 0, null);
        return score;
    }
}
