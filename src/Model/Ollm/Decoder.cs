namespace OllmNative.Model;

/// <summary>
/// Bends the hidden state by the chosen option: <c>b = Wdo silu(Wdi rms(h; g_d) + bdi + C z) + bdo</c>, <c>h' = h + b</c>.
/// z is a row of K numbers: one-hot for a choice, a distribution for the soft mode.
/// </summary>
public sealed class Decoder : IDisposable
{
    private readonly ComputeDevice _device;
    private readonly OllmShape _shape;
    private readonly DeviceView<float> _norm, _inBias, _outBias;
    private readonly DeviceMatrix _in, _options, _out;
    private readonly Gradients? _gradients;
    private readonly DeviceBuffer<float> _input, _pre, _act, _dAct, _dInput;

    /// <summary>Binds the module to its parameters and allocates activations for up to <paramref name="maxRows"/> rows.</summary>
    public Decoder(ComputeDevice device, OllmTensors parameters, OllmTensors? gradients, int maxRows)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentNullException.ThrowIfNull(parameters);
        (_device, _shape) = (device, parameters.Shape);
        _norm = parameters["decoder.norm.weight"];
        (_in, _inBias) = (parameters.Matrix("decoder.in.weight"), parameters["decoder.in.bias"]);
        _options = parameters.Matrix("decoder.options.weight");
        (_out, _outBias) = (parameters.Matrix("decoder.out.weight"), parameters["decoder.out.bias"]);
        _gradients = gradients is null ? null : new Gradients(gradients);
        long d = _shape.HiddenSize, m = _shape.LatentWidth, training = gradients is null ? 0 : maxRows;
        _input = device.Allocate<float>(maxRows * d);
        _pre = device.Allocate<float>(maxRows * m);
        _act = device.Allocate<float>(maxRows * m);
        _dAct = device.Allocate<float>(training * m);
        _dInput = device.Allocate<float>(training * d);
    }

    /// <summary>bent [N, D] = h + b from hidden [N, D] and z [N, K].</summary>
    public void Forward(DeviceView<float> hidden, DeviceView<float> z, DeviceView<float> bent)
    {
        long n = hidden.Length / _shape.HiddenSize;
        DeviceView<float> input = _input.First(hidden.Length), pre = _pre.First(n * _shape.LatentWidth), act = _act.First(pre.Length);
        _device.RmsNorm(hidden, _norm, input, _shape.Epsilon);
        _device.MatMul(input, _in, _inBias, pre);
        _device.MatMulBackwardInput(z, _options, pre, accumulate: true);     // + C z: z [N, K] times the table [K, M]
        _device.Silu(pre, act);
        _device.MatMul(act, _out, _outBias, bent);
        _device.Add(bent, hidden, bent);
    }

    /// <summary>
    /// Adds the gradients of the parameters for dBent [N, D] and, when asked for, writes the gradient dZ [N, K] that the
    /// encoder receives; operands are those of the last <see cref="Forward"/>.
    /// </summary>
    public void Backward(DeviceView<float> hidden, DeviceView<float> z, DeviceView<float> dBent, DeviceView<float> dZ)
    {
        Gradients g = _gradients ?? throw new InvalidOperationException("the decoder was made without gradients");
        long n = hidden.Length / _shape.HiddenSize;
        DeviceView<float> input = _input.First(hidden.Length), pre = _pre.First(n * _shape.LatentWidth), act = _act.First(pre.Length);
        DeviceView<float> dAct = _dAct.First(pre.Length), dInput = _dInput.First(hidden.Length);
        _device.MatMulBackwardWeight(dBent, act, g.Out, g.OutBias);
        _device.MatMulBackwardInput(dBent, _out, dAct);
        _device.SiluBackward(pre, dAct, dAct);
        _device.MatMulBackwardWeight(dAct, input, g.In, g.InBias);
        _device.MatMulBackwardWeight(z, dAct, g.Options, default);           // dC = zᵀ dPre
        if (!dZ.IsEmpty) _device.MatMul(dAct, _options, default, dZ);        // dZ = dPre Cᵀ
        _device.MatMulBackwardInput(dAct, _in, dInput);
        _device.RmsNormBackwardGain(hidden, dInput, g.Norm, _shape.Epsilon);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (DeviceBuffer<float> buffer in (DeviceBuffer<float>[])[_input, _pre, _act, _dAct, _dInput]) buffer.Dispose();
    }

    private sealed class Gradients(OllmTensors g)
    {
        public DeviceView<float> Norm { get; } = g["decoder.norm.weight"];
        public DeviceMatrix In { get; } = g.Matrix("decoder.in.weight");
        public DeviceView<float> InBias { get; } = g["decoder.in.bias"];
        public DeviceMatrix Options { get; } = g.Matrix("decoder.options.weight");
        public DeviceMatrix Out { get; } = g.Matrix("decoder.out.weight");
        public DeviceView<float> OutBias { get; } = g["decoder.out.bias"];
    }
}
