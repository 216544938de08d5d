namespace OllmNative.Model;

/// <summary>Picks options at inference: <c>lp = Wpo silu(Wpi rms(h; g_p) + bpi) + bpo</c>, <c>pi = softmax(lp)</c>.</summary>
public sealed class Policy : IDisposable
{
    private readonly ComputeDevice _device;
    private readonly OllmShape _shape;
    private readonly DeviceView<float> _norm, _inBias, _outBias;
    private readonly DeviceMatrix _in, _out;
    private readonly Gradients? _gradients;
    private readonly DeviceBuffer<float> _input, _pre, _act, _dAct, _dInput;

    /// <summary>Binds the module to its parameters and allocates activations for up to <paramref name="maxRows"/> rows.</summary>
    public Policy(ComputeDevice device, OllmTensors parameters, OllmTensors? gradients, int maxRows)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentNullException.ThrowIfNull(parameters);
        (_device, _shape) = (device, parameters.Shape);
        _norm = parameters["policy.norm.weight"];
        (_in, _inBias) = (parameters.Matrix("policy.in.weight"), parameters["policy.in.bias"]);
        (_out, _outBias) = (parameters.Matrix("policy.out.weight"), parameters["policy.out.bias"]);
        _gradients = gradients is null ? null : new Gradients(gradients);
        long d = _shape.HiddenSize, m = _shape.LatentWidth, training = gradients is null ? 0 : maxRows;
        _input = device.Allocate<float>(maxRows * d);
        _pre = device.Allocate<float>(maxRows * m);
        _act = device.Allocate<float>(maxRows * m);
        _dAct = device.Allocate<float>(training * m);
        _dInput = device.Allocate<float>(training * d);
    }

    /// <summary>logits [N, K] from hidden [N, D].</summary>
    public void Forward(DeviceView<float> hidden, DeviceView<float> logits)
    {
        long n = hidden.Length / _shape.HiddenSize;
        DeviceView<float> input = _input.First(hidden.Length), pre = _pre.First(n * _shape.LatentWidth), act = _act.First(pre.Length);
        _device.RmsNorm(hidden, _norm, input, _shape.Epsilon);
        _device.MatMul(input, _in, _inBias, pre);
        _device.Silu(pre, act);
        _device.MatMul(act, _out, _outBias, logits);
    }

    /// <summary>Adds the gradients of the parameters for dLogits [N, K]; operands are those of the last <see cref="Forward"/>.</summary>
    public void Backward(DeviceView<float> hidden, DeviceView<float> dLogits)
    {
        Gradients g = _gradients ?? throw new InvalidOperationException("the policy was made without gradients");
        long n = hidden.Length / _shape.HiddenSize;
        DeviceView<float> input = _input.First(hidden.Length), pre = _pre.First(n * _shape.LatentWidth), act = _act.First(pre.Length);
        DeviceView<float> dAct = _dAct.First(pre.Length), dInput = _dInput.First(hidden.Length);
        _device.MatMulBackwardWeight(dLogits, act, g.Out, g.OutBias);
        _device.MatMulBackwardInput(dLogits, _out, dAct);
        _device.SiluBackward(pre, dAct, dAct);
        _device.MatMulBackwardWeight(dAct, input, g.In, g.InBias);
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
        public DeviceView<float> Norm { get; } = g["policy.norm.weight"];
        public DeviceMatrix In { get; } = g.Matrix("policy.in.weight");
        public DeviceView<float> InBias { get; } = g["policy.in.bias"];
        public DeviceMatrix Out { get; } = g.Matrix("policy.out.weight");
        public DeviceView<float> OutBias { get; } = g["policy.out.bias"];
    }
}
