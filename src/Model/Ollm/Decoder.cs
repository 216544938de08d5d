namespace OllmNative.Model;

/// <summary>
/// Bends the hidden state by the chosen option: <c>b = Wdo silu(Wdi rms(h; g_d) + bdi + C z) + bdo</c>, <c>h' = h + b</c>.
/// z is a row of K numbers: one-hot for a choice, a distribution for the soft mode.
/// </summary>
public sealed class Decoder : IDisposable
{
    private readonly ComputeDevice _device;
    private readonly OllmShape _shape;
    private readonly AdapterLayers _layers;
    private readonly DeviceView<float> _norm, _table;
    private readonly DeviceMatrix _options;
    private readonly DeviceMatrix? _dOptions;

    /// <summary>Binds the module to its parameters and allocates activations for up to <paramref name="maxRows"/> rows.</summary>
    public Decoder(ComputeDevice device, OllmTensors parameters, OllmTensors? gradients, int maxRows)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentNullException.ThrowIfNull(parameters);
        (_device, _shape, _layers) = (device, parameters.Shape, new AdapterLayers(device, parameters, gradients, "decoder", "decoder.norm.weight", maxRows));
        (_norm, _options, _table) = (parameters["decoder.norm.weight"], parameters.Matrix("decoder.options.weight"), parameters["decoder.options.weight"]);
        if (gradients is not null) _dOptions = gradients.Matrix("decoder.options.weight");
    }

    /// <summary>bent [N, D] = h + b from hidden [N, D] and z [N, K].</summary>
    public void Forward(DeviceView<float> hidden, DeviceView<float> z, DeviceView<float> bent)
    {
        long n = hidden.Length / _shape.HiddenSize;
        _device.RmsNorm(hidden, _norm, _layers.Input(n), _shape.Epsilon);
        DeviceView<float> pre = _layers.Hidden(n);
        _device.AddOptions(z, _options, pre);                                // + C z
        _layers.Output(n, bent);
        _device.Add(bent, hidden, bent);
    }

    /// <summary>
    /// The same where some rows have no option and stay as they are (<see cref="ComputeDevice.ChooseOptions"/>): chosen [N, 2]. As few passes
    /// as the device can, for rows that nothing is learnt from.
    /// </summary>
    public void Forward(DeviceView<float> hidden, DeviceView<float> z, DeviceView<int> chosen, DeviceView<float> bent)
    {
        long n = hidden.Length / _shape.HiddenSize;
        DeviceView<float> pre = _layers.NormHidden(n, hidden, _norm, _shape.Epsilon);
        if (_layers.TryOutput(n, _table, chosen, hidden, bent)) return;
        _device.AddOptions(z, _options, pre);
        _layers.Output(n, bent);
        _device.AddChosen(bent, hidden, chosen, _shape.HiddenSize);
    }

    /// <summary>
    /// Adds the gradients of the weights for dBent [N, D] and, when asked for, writes the gradient dZ [N, K] that the
    /// encoder receives; operands are those of the last <see cref="Forward(DeviceView{float}, DeviceView{float}, DeviceView{float})"/>.
    /// </summary>
    public void Backward(DeviceView<float> z, DeviceView<float> dBent, DeviceView<float> dZ)
    {
        long n = dBent.Length / _shape.HiddenSize;
        DeviceView<float> dPre = _layers.BackwardOutput(n, dBent);
        _device.MatMulBackwardWeight(z, dPre, _dOptions!, default);          // dC = zᵀ dPre
        if (!dZ.IsEmpty) _device.MatMul(dPre, _options, default, dZ);        // dZ = dPre Cᵀ
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
