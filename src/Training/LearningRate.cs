namespace OllmNative.Training;

/// <summary>Shape of the learning rate after warm-up.</summary>
public enum ScheduleKind
{
    /// <summary>Stays at its peak.</summary>
    Constant,

    /// <summary>Falls to zero along half a cosine.</summary>
    Cosine,
}

/// <summary>
/// Learning rate by step. During warm-up step s (from 1) has peak * s / warmup; afterwards the cosine has
/// peak * (1 + cos(pi * (s - 1 - warmup) / (steps - warmup))) / 2.
/// </summary>
/// <param name="Peak">Largest rate.</param>
/// <param name="Warmup">Steps of linear warm-up.</param>
/// <param name="Steps">Steps of the whole run.</param>
/// <param name="Kind">Shape after warm-up.</param>
public sealed record LearningRate(double Peak, int Warmup, int Steps, ScheduleKind Kind)
{
    /// <summary>The rate of a step, counted from 1.</summary>
    public double At(int step)
    {
        int done = step - 1;
        if (done < Warmup) return Peak * step / Warmup;
        if (Kind == ScheduleKind.Constant) return Peak;
        double progress = (double)(done - Warmup) / Math.Max(1, Steps - Warmup);
        return Peak * 0.5 * (1 + Math.Cos(Math.PI * Math.Min(1, progress)));
    }
}
