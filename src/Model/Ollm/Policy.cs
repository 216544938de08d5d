namespace OllmNative.Model;

/// <summary>Picks options at inference: <c>lp = Wpo silu(Wpi rms(h; g_p) + bpi) + bpo</c>, <c>pi = softmax(lp)</c>.</summary>
public sealed class Policy : IDisposable
{
    private readonly ComputeDevice _device;
    private readonly OllmShape _shape;
    private readonly AdapterLayers _layers;
    private readonly DeviceView<float> _norm;

    /// <summary>Binds the module to its parameters and allocates activations for up to <paramref name="maxRows"/> rows.</summary>
    public Policy(ComputeDevice device, OllmTensors parameters, OllmTensors? gradients, int maxRows)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentNullException.ThrowIfNull(parameters);
        (_device, _shape, _layers) = (device, parameters.Shape, new AdapterLayers(device, parameters, gradients, "policy", "policy.norm.weight", maxRows));
        _norm = parameters["policy.norm.weight"];
    }

    /// <summary>logits [N, K] from hidden [N, D].</summary>
    public void Forward(DeviceView<float> hidden, DeviceView<float> logits)
    {
        long n = hidden.Length / _shape.HiddenSize;
        _device.RmsNorm(hidden, _norm, _layers.Input(n), _shape.Epsilon);
        _layers.Hidden(n);
        _layers.Output(n, logits);
    }

    /// <summary>The same in as few passes as the device can, for rows that nothing is learnt from.</summary>
    public void Decide(DeviceView<float> hidden, DeviceView<float> logits)
    {
        long n = hidden.Length / _shape.HiddenSize;
        _layers.NormHidden(n, hidden, _norm, _shape.Epsilon);
        if (!_layers.TryOutput(n, default, default, default, logits)) _layers.Output(n, logits);
    }

    /// <summary>Adds the gradients of the weights for dLogits [N, K]; operands are those of the last <see cref="Forward"/>.</summary>
    public void Backward(DeviceView<float> dLogits)
    {
        long n = dLogits.Length / _shape.Options;
        _layers.BackwardOutput(n, dLogits);
        _layers.BackwardHidden(n);
    }

    /// <summary>
    /// Writes the gradients of the norm's gain, which follow from those of the weights: once after the last <see cref="Backward"/> of a step, or of any
    /// part of it.
    /// </summary>
    public void FinishGradients() => _layers.FinishGradients();

    /// <inheritdoc/>
    public void Dispose() => _layers.Dispose();
}
