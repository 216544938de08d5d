namespace OllmNative.Training;

/// <summary>
/// How good the modules are at a checkpoint: the mean token cross-entropy on the validation rows since the last one, or, in a run
/// without them, of the steps. Not the loss, whose weight of the KL term moves during a run.
/// </summary>
/// <param name="validated">Whether the run has validation rows.</param>
internal sealed class CheckpointScore(bool validated)
{
    private double _sum;
    private int _steps;

    /// <summary>Counts a step.</summary>
    public void Add(TrainMetrics step)
    {
        double? ce = validated ? step.Validation?.Ce : step.Ce;
        if (ce is null) return;
        _sum += ce.Value;
        _steps++;
    }

    /// <summary>The score of the checkpoint that is written now, and starts anew; null when nothing was measured since the last one.</summary>
    public double? Take()
    {
        double? score = _steps == 0 ? null : _sum / _steps;
        (_sum, _steps) = (0, 0);
        return score;
    }
}
