namespace OllmNative.Model;

public sealed partial class ProfiledDevice
{
    /// <inheritdoc/>
    public override bool RunsAhead => _device.RunsAhead;

    /// <inheritdoc/>
    public override int RowsPerPass => _device.RowsPerPass;

    /// <inheritdoc/>
    public override void AddLosses(
        DeviceView<float> loss, DeviceView<float> kl, DeviceView<float> policy, DeviceView<int> prediction, DeviceView<int> targets, DeviceView<float> q,
        DeviceView<double> totals)
    {
        using var timer = new Timer(_profile, nameof(AddLosses));
        _device.AddLosses(loss, kl, policy, prediction, targets, q, totals);
    }

    /// <inheritdoc/>
    public override void SquaredNorm(DeviceView<float> x, DeviceView<double> result)
    {
        using var timer = new Timer(_profile, nameof(SquaredNorm));
        _device.SquaredNorm(x, result);
    }

    /// <inheritdoc/>
    public override void EndStep(DeviceView<double> state, in StepRule rule)
    {
        using var timer = new Timer(_profile, nameof(EndStep));
        _device.EndStep(state, in rule);
    }

    /// <inheritdoc/>
    public override void AdamW(
        DeviceView<float> parameters, DeviceView<float> gradients, DeviceView<float> firstMoment, DeviceView<float> secondMoment, in AdamWStep step,
        DeviceView<double> state)
    {
        using var timer = new Timer(_profile, nameof(AdamW));
        _device.AdamW(parameters, gradients, firstMoment, secondMoment, in step, state);
    }

    /// <inheritdoc/>
    public override bool AdapterBackward(
        DeviceView<float> pre, DeviceView<float> dOutput, DeviceMatrix w, DeviceMatrix dW, DeviceView<float> dBias, DeviceView<float> dPre, DeviceView<float> dPreBias)
    {
        using var timer = new Timer(_profile, nameof(AdapterBackward));
        return _device.AdapterBackward(pre, dOutput, w, dW, dBias, dPre, dPreBias);
    }

    /// <inheritdoc/>
    public override void RoundRows(DeviceView<float> x, DeviceView<ushort> words)
    {
        using var timer = new Timer(_profile, nameof(RoundRows));
        _device.RoundRows(x, words);
    }

    /// <inheritdoc/>
    public override void WidenRows(DeviceView<ushort> words, DeviceView<float> x)
    {
        using var timer = new Timer(_profile, nameof(WidenRows));
        _device.WidenRows(words, x);
    }

    /// <inheritdoc/>
    public override HostPlaces<T> NewHostPlaces<T>(long capacity, int places, bool beside) => _device.NewHostPlaces<T>(capacity, places, beside);

    /// <inheritdoc/>
    public override Feed<T> NewFeed<T>(long capacity) => _device.NewFeed<T>(capacity);
}
