using System.Diagnostics;
using OllmNative.Model;

namespace OllmNative.Training;

/// <summary>
/// Makes one step of the shares that the processes have computed: sums of losses and gradients. Every loss was divided by
/// the targets of the whole step already, so the sum of the gradients is the gradient of the mean over all of them.
/// </summary>
internal sealed class StepReducer
{
    private readonly ProcessGroup _group;
    private readonly OllmTensors _gradients;
    private readonly float[] _host;

    /// <summary>Allocates host memory for the gradients when there is more than one process.</summary>
    public StepReducer(ProcessGroup group, OllmTensors gradients)
    {
        (_group, _gradients) = (group, gradients);
        _host = new float[group.IsDistributed ? gradients.All.Length : 0];
    }

    /// <summary>Seconds spent here, copies and waiting for slower processes included.</summary>
    public double Seconds { get; private set; }

    /// <summary>Replaces the gradients, and the sums of losses in the step's state, by their sums over the processes.</summary>
    public void Reduce(DeviceView<double> state)
    {
        if (!_group.IsDistributed) return;
        long start = Stopwatch.GetTimestamp();
        Span<double> sums = stackalloc double[StepState.Totals];
        state.Slice(0, StepState.Totals).Download(sums);
        _group.Sum(sums);
        state.Slice(0, StepState.Totals).Upload(sums);
        _gradients.All.Download(_host);
        _group.Sum(_host);
        _gradients.All.Upload(_host);
        Seconds += Stopwatch.GetElapsedTime(start).TotalSeconds;
    }
}
