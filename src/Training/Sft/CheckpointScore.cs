namespace OllmNative.Training;

/// <summary>
/// How good the modules were between two checkpoints: the mean token cross-entropy of the steps. Not the loss, whose weight
/// of the KL term moves during a run.
/// </summary>
internal sealed class CheckpointScore
{
    private double _sum;
    private int _steps;

    /// <summary>Counts a step.</summary>
    public void Add(TrainMetrics step)
    {
        _sum += step.Ce;
        _steps++;
    }

    /// <summary>The score of the checkpoint that is written now, and starts anew; null when no step was made since the last one.</summary>
    public double? Take()
    {
        double? score = _steps == 0 ? null : _sum / _steps;
        (_sum, _steps) = (0, 0);
        return score;
    }
}
