namespace OllmNative.Model;

/// <summary>
/// Names the option that the true next token belongs to:
/// <c>lq = Weo silu(Wei [rms(h; g_eh), rms(e; g_ee)] + bei) + beo</c>, with h the hidden state and e the target's embedding.
/// </summary>
public sealed class Encoder : IDisposable
{
    private readonly ComputeDevice _device;
    private readonly OllmShape _shape;
    private readonly DeviceView<float> _normHidden, _normTarget, _inBias, _outBias;
    private readonly DeviceMatrix _in, _out;
    private readonly Gradients? _gradients;
    private readonly DeviceBuffer<float> _input, _pre, _act, _dAct, _dInput;

    /// <summary>Binds the module to its parameters and allocates activations for up to <paramref name="maxRows"/> rows.</summary>
    public Encoder(ComputeDevice device, OllmTensors parameters, OllmTensors? gradients, int maxRows)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentNullException.ThrowIfNull(parameters);
        (_device, _shape) = (device, parameters.Shape);
        (_normHidden, _normTarget) = (parameters["encoder.norm_hidden.weight"], parameters["encoder.norm_target.weight"]);
        (_in, _inBias) = (parameters.Matrix("encoder.in.weight"), parameters["encoder.in.bias"]);
        (_out, _outBias) = (parameters.Matrix("encoder.out.weight"), parameters["encoder.out.bias"]);
        _gradients = gradients is null ? null : new Gradients(gradients);
        long d = _shape.HiddenSize, m = _shape.LatentWidth, training = gradients is null ? 0 : maxRows;
        _input = device.Allocate<float>(maxRows * 2 * d);
        _pre = device.Allocate<float>(maxRows * m);
        _act = device.Allocate<float>(maxRows * m);
        _dAct = device.Allocate<float>(training * m);
        _dInput = device.Allocate<float>(training * 2 * d);
    }

    /// <summary>logits [N, K] from hidden [N, D] and target embeddings [N, D].</summary>
    public void Forward(DeviceView<float> hidden, DeviceView<float> target, DeviceView<float> logits)
    {
        int d = _shape.HiddenSize;
        long n = hidden.Length / d;
        DeviceView<float> input = _input.First(n * 2 * d), pre = _pre.First(n * _shape.LatentWidth), act = _act.First(pre.Length);
        _device.RmsNorm(hidden, _normHidden, input, _shape.Epsilon, outputStride: 2 * d);
        _device.RmsNorm(target, _normTarget, input.Slice(d, input.Length - d), _shape.Epsilon, outputStride: 2 * d);
        _device.MatMul(input, _in, _inBias, pre);
        _device.Silu(pre, act);
        _device.MatMul(act, _out, _outBias, logits);
    }

    /// <summary>Adds the gradients of the parameters for dLogits [N, K]; operands are those of the last <see cref="Forward"/>.</summary>
    public void Backward(DeviceView<float> hidden, DeviceView<float> target, DeviceView<float> dLogits)
    {
        Gradients g = _gradients ?? throw new InvalidOperationException("the encoder was made without gradients");
        int d = _shape.HiddenSize;
        long n = hidden.Length / d;
        DeviceView<float> input = _input.First(n * 2 * d), pre = _pre.First(n * _shape.LatentWidth), act = _act.First(pre.Length);
        DeviceView<float> dAct = _dAct.First(pre.Length), dInput = _dInput.First(input.Length);
        _device.MatMulBackwardWeight(dLogits, act, g.Out, g.OutBias);
        _device.MatMulBackwardInput(dLogits, _out, dAct);
        _device.SiluBackward(pre, dAct, dAct);
        _device.MatMulBackwardWeight(dAct, input, g.In, g.InBias);
        _device.MatMulBackwardInput(dAct, _in, dInput);
        _device.RmsNormBackwardGain(hidden, dInput, g.NormHidden, _shape.Epsilon, dOutputStride: 2 * d);
        _device.RmsNormBackwardGain(target, dInput.Slice(d, dInput.Length - d), g.NormTarget, _shape.Epsilon, dOutputStride: 2 * d);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (DeviceBuffer<float> buffer in (DeviceBuffer<float>[])[_input, _pre, _act, _dAct, _dInput]) buffer.Dispose();
    }

    private sealed class Gradients(OllmTensors g)
    {
        public DeviceView<float> NormHidden { get; } = g["encoder.norm_hidden.weight"];
        public DeviceView<float> NormTarget { get; } = g["encoder.norm_target.weight"];
        public DeviceMatrix In { get; } = g.Matrix("encoder.in.weight");
        public DeviceView<float> InBias { get; } = g["encoder.in.bias"];
        public DeviceMatrix Out { get; } = g.Matrix("encoder.out.weight");
        public DeviceView<float> OutBias { get; } = g["encoder.out.bias"];
    }
}
