namespace OllmNative.Model;

/// <summary>
/// What the three modules share: two linear layers with SiLU between them, <c>out = Wo silu(Wi x + bi) + bo</c>, their
/// activations and their gradients. Forward is <see cref="Hidden"/> then <see cref="Output"/>, so that the decoder can add
/// its option in between; backward is <see cref="BackwardOutput"/> then <see cref="BackwardHidden"/>.
/// </summary>
internal sealed class AdapterLayers : IDisposable
{
    private readonly ComputeDevice _device;
    private readonly int _inputs, _width;
    private readonly DeviceMatrix _in, _out;
    private readonly DeviceView<float> _inBias, _outBias;
    private readonly DeviceMatrix? _dIn, _dOut;
    private readonly DeviceView<float> _dInBias, _dOutBias;
    private readonly DeviceBuffer<float> _input, _pre, _act, _dPre, _dInput;

    /// <summary>Binds <c>module.in</c> and <c>module.out</c>; without gradients only forward works.</summary>
    public AdapterLayers(ComputeDevice device, OllmTensors parameters, OllmTensors? gradients, string module, int maxRows)
    {
        _device = device;
        (_in, _inBias) = (parameters.Matrix(module + ".in.weight"), parameters[module + ".in.bias"]);
        (_out, _outBias) = (parameters.Matrix(module + ".out.weight"), parameters[module + ".out.bias"]);
        if (gradients is not null)
        {
            (_dIn, _dInBias) = (gradients.Matrix(module + ".in.weight"), gradients[module + ".in.bias"]);
            (_dOut, _dOutBias) = (gradients.Matrix(module + ".out.weight"), gradients[module + ".out.bias"]);
        }
        (_inputs, _width) = (_in.Columns, _in.Rows);
        long rows = maxRows, training = gradients is null ? 0 : maxRows;
        (_input, _pre, _act) = (device.Allocate<float>(rows * _inputs), device.Allocate<float>(rows * _width), device.Allocate<float>(rows * _width));
        (_dPre, _dInput) = (device.Allocate<float>(training * _width), device.Allocate<float>(training * _inputs));
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
        DeviceView<float> act = _act.First(rows * _width);
        _device.Silu(_pre.First(rows * _width), act);
        _device.MatMul(act, _out, _outBias, output);
    }

    /// <summary>Adds the gradients of Wo and bo and returns that of Wi x + bi, [N, M].</summary>
    public DeviceView<float> BackwardOutput(long rows, DeviceView<float> dOutput)
    {
        if (_dOut is null) throw new InvalidOperationException("the module was made without gradients");
        DeviceView<float> dPre = _dPre.First(rows * _width);
        _device.MatMulBackwardWeight(dOutput, _act.First(rows * _width), _dOut, _dOutBias);
        _device.MatMulBackwardInput(dOutput, _out, dPre);
        _device.SiluBackward(_pre.First(rows * _width), dPre, dPre);
        return dPre;
    }

    /// <summary>Adds the gradients of Wi and bi and returns that of x, [N, inputs].</summary>
    public DeviceView<float> BackwardHidden(long rows)
    {
        DeviceView<float> dPre = _dPre.First(rows * _width), dInput = _dInput.First(rows * _inputs);
        _device.MatMulBackwardWeight(dPre, Input(rows), _dIn!, _dInBias);
        _device.MatMulBackwardInput(dPre, _in, dInput);
        return dInput;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (DeviceBuffer<float> buffer in (DeviceBuffer<float>[])[_input, _pre, _act, _dPre, _dInput]) buffer.Dispose();
    }
}
