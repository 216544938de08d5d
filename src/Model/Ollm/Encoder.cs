namespace OllmNative.Model;

/// <summary>
/// Names the option that the true next token belongs to:
/// <c>lq = Weo silu(Wei [rms(h; g_eh), rms(e; g_ee)] + bei) + beo</c>, with h the hidden state and e the target's embedding.
/// </summary>
public sealed class Encoder : IDisposable
{
    private readonly ComputeDevice _device;
    private readonly OllmShape _shape;
    private readonly AdapterLayers _layers;
    private readonly DeviceView<float> _normHidden, _normTarget;

    /// <summary>Binds the module to its parameters and allocates activations for up to <paramref name="maxRows"/> rows.</summary>
    public Encoder(ComputeDevice device, OllmTensors parameters, OllmTensors? gradients, int maxRows)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentNullException.ThrowIfNull(parameters);
        (_device, _shape, _layers) = (device, parameters.Shape, new AdapterLayers(device, parameters, gradients, "encoder", "encoder.norm_hidden.weight", maxRows));
        (_normHidden, _normTarget) = (parameters["encoder.norm_hidden.weight"], parameters["encoder.norm_target.weight"]);
    }

    /// <summary>logits [N, K] from hidden [N, D] and target embeddings [N, D].</summary>
    public void Forward(DeviceView<float> hidden, DeviceView<float> target, DeviceView<float> logits)
    {
        int d = _shape.HiddenSize;
        long n = hidden.Length / d;
        DeviceView<float> input = _layers.Input(n);                                          // [N, 2D]: hidden, then target
        _device.RmsNorm(hidden, _normHidden, input, _shape.Epsilon, outputStride: 2 * d);
        _device.RmsNorm(target, _normTarget, input.Slice(d, input.Length - d), _shape.Epsilon, outputStride: 2 * d);
        _layers.Hidden(n);
        _layers.Output(n, logits);
    }

    /// <summary>Adds the gradients of the weights for dLogits [N, K]; operands are those of the last <see cref="Forward"/>.</summary>
    public void Backward(DeviceView<float> dLogits)
    {
        long n = dLogits.Length / _shape.Options;
        _layers.BackwardOutput(n, dLogits);
        _layers.BackwardHidden(n);
    }

    /// <summary>
    /// Writes the gradients of the norms' gains, which follow from those of the weights: once after the last <see cref="Backward"/> of a step, or of any
    /// part of it.
    /// </summary>
    public void FinishGradients() => _layers.FinishGradients();

    /// <inheritdoc/>
    public void Dispose() => _layers.Dispose();
}
