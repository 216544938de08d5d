namespace OllmNative.Model;

/// <summary>
/// What the three modules share: two linear layers with SiLU between them, <c>out = Wo silu(Wi x + bi) + bo</c>, their
/// activations and their gradients. Forward is <see cref="Hidden"/> then <see cref="Output"/>, so that the decoder can add
/// its option in between; backward is <see cref="BackwardOutput"/> then <see cref="BackwardHidden"/>, and after the last one
/// <see cref="FinishGradients"/>.
/// </summary>
internal sealed class AdapterLayers : IDisposable
{
    // A gain of zero would hide its own gradient, which is found by dividing by it.
    private const float LeastGain = 1f / (1L << 40);

    private readonly ComputeDevice _device;
    private readonly int _inputs, _width;
    private readonly DeviceMatrix _in, _out;
    private readonly DeviceView<float> _gain, _inWeight, _inBias, _outBias;
    private readonly DeviceMatrix? _dIn, _dOut;
    private readonly DeviceView<float> _dGain, _dInWeight, _dInBias, _dOutBias;
    private readonly DeviceBuffer<float> _input, _pre, _dPre;
    private DeviceBuffer<float>? _act;
    private bool _biasAdded, _actKept;

    /// <summary>
    /// Binds <c>module.in</c> and <c>module.out</c>, and the gains of all norms before them, which lie side by side from <paramref name="firstNorm"/> on;
    /// without gradients only forward works.
    /// </summary>
    public AdapterLayers(ComputeDevice device, OllmTensors parameters, OllmTensors? gradients, string module, string firstNorm, int maxRows)
    {
        _device = device;
        (_in, _inBias) = (parameters.Matrix(module + ".in.weight"), parameters[module + ".in.bias"]);
        (_out, _outBias) = (parameters.Matrix(module + ".out.weight"), parameters[module + ".out.bias"]);
        (_inputs, _width) = (_in.Columns, _in.Rows);
        (_gain, _inWeight) = (parameters.All.Slice(parameters[firstNorm].Offset, _inputs), parameters[module + ".in.weight"]);
        if (gradients is not null)
        {
            (_dIn, _dInBias) = (gradients.Matrix(module + ".in.weight"), gradients[module + ".in.bias"]);
            (_dOut, _dOutBias) = (gradients.Matrix(module + ".out.weight"), gradients[module + ".out.bias"]);
            (_dGain, _dInWeight) = (gradients.All.Slice(gradients[firstNorm].Offset, _inputs), gradients[module + ".in.weight"]);
            KeepFromZero(_gain);
        }
        long rows = maxRows, training = gradients is null ? 0 : maxRows;
        (_input, _pre) = (device.Allocate<float>(rows * _inputs), device.Allocate<float>(rows * _width));
        _dPre = device.Allocate<float>(training * _width);
    }

    /// <summary>Where the caller puts x [N, inputs].</summary>
    public DeviceView<float> Input(long rows) => _input.First(rows * _inputs);

    /// <summary>Wi x + bi, [N, M]; the caller may add to it before <see cref="Output"/>.</summary>
    public DeviceView<float> Hidden(long rows)
    {
        DeviceView<float> pre = _pre.First(rows * _width);
        _device.MatMul(Input(rows), _in, _inBias, pre);
        return pre;
    }

    /// <summary>Input norm and first layer in one pass where the device gains by it: Wi rms(x; gain) + bi, [N, M].</summary>
    public DeviceView<float> NormHidden(long rows, DeviceView<float> x, DeviceView<float> gain, float epsilon)
    {
        DeviceView<float> pre = _pre.First(rows * _width);
        _device.NormMatMulEach(x, gain, epsilon, Input(rows), new Projection(_in, _inBias, pre));
        return pre;
    }

    /// <summary>output = Wo silu(hidden) + bo in one pass, with an option's part in hidden and a residual (<see cref="ComputeDevice.AdapterOutput"/>); false leaves it to others.</summary>
    public bool TryOutput(long rows, DeviceView<float> table, DeviceView<int> chosen, DeviceView<float> residual, DeviceView<float> output) =>
        _device.AdapterOutput(_pre.First(rows * _width), _out, _outBias, table, chosen, residual, output);

    /// <summary>output = Wo silu(hidden) + bo.</summary>
    public void Output(long rows, DeviceView<float> output)
    {
        DeviceView<float> pre = _pre.First(rows * _width);
        _actKept = !_device.AdapterOutput(pre, _out, _outBias, default, default, default, output);
        if (_actKept) _device.MatMul(Activation(rows), _out, _outBias, output);
    }

    /// <summary>Adds the gradients of Wo and bo and returns that of Wi x + bi, [N, M].</summary>
    public DeviceView<float> BackwardOutput(long rows, DeviceView<float> dOutput)
    {
        if (_dOut is null) throw new InvalidOperationException("the module was made without gradients");
        DeviceView<float> dPre = _dPre.First(rows * _width), pre = _pre.First(rows * _width);
        _biasAdded = _device.AdapterBackward(pre, dOutput, _out, _dOut, _dOutBias, dPre, _dInBias);
        if (_biasAdded) return dPre;
        _device.MatMulBackwardWeight(dOutput, _actKept ? _act!.First(rows * _width) : Activation(rows), _dOut, _dOutBias);
        _device.MatMulBackwardInput(dOutput, _out, dPre);
        _device.SiluBackward(pre, dPre, dPre);
        return dPre;
    }

    /// <summary>Adds the gradients of Wi and bi. Nothing needs that of x: it is frozen, and its norm's gain has <see cref="FinishGradients"/>.</summary>
    public void BackwardHidden(long rows) =>
        _device.MatMulBackwardWeight(_dPre.First(rows * _width), Input(rows), _dIn!, _biasAdded ? default : _dInBias);

    /// <summary>Writes the gradient of the norms' gains, from that of Wi as it is by now.</summary>
    public void FinishGradients() => _device.NormGainGradient(_gain, _inWeight, _dInWeight, _dGain);

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (DeviceBuffer<float> buffer in (DeviceBuffer<float>[])[_input, _pre, _dPre]) buffer.Dispose();
        _act?.Dispose();
    }

    private DeviceView<float> Activation(long rows)
    {
        // Devices that make the second layer in one go never ask for it.
        _act ??= _device.Allocate<float>(_pre.Length);
        DeviceView<float> act = _act.First(rows * _width);
        _device.Silu(_pre.First(rows * _width), act);
        return act;
    }

    private static void KeepFromZero(DeviceView<float> gain)
    {
        float[] values = gain.ToArray();
        if (!values.Contains(0f)) return;
        gain.Upload(Array.ConvertAll(values, value => value == 0f ? LeastGain : value));
    }
}
