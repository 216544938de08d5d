namespace OllmNative.Model;

/// <summary>Policy and decoder at inference: the policy's distribution for some rows, then those rows bent by the chosen options.</summary>
public sealed class OptionHead : IDisposable
{
    private readonly ComputeDevice _device;
    private readonly Policy _policy;
    private readonly Decoder _decoder;
    private readonly int _k, _d;
    private readonly DeviceBuffer<float> _policyLogits, _z, _bent;
    private readonly float[] _pi, _choice;
    private readonly bool[] _chosen;
    private int _rows;

    /// <summary>Allocates for up to <paramref name="maxRows"/> rows.</summary>
    public OptionHead(QwenBackbone backbone, OllmModel ollm, int maxRows)
    {
        ArgumentNullException.ThrowIfNull(backbone);
        ArgumentNullException.ThrowIfNull(ollm);
        (_device, _k, _d) = (backbone.Device, ollm.Shape.Options, ollm.Shape.HiddenSize);
        _policy = new Policy(_device, ollm.Parameters, null, maxRows);
        _decoder = new Decoder(_device, ollm.Parameters, null, maxRows);
        _policyLogits = _device.Allocate<float>((long)maxRows * _k);
        _z = _device.Allocate<float>((long)maxRows * _k);
        _bent = _device.Allocate<float>((long)maxRows * ollm.Shape.HiddenSize);
        _pi = new float[maxRows * _k];
        _choice = new float[maxRows * _k];
        _chosen = new bool[maxRows];
    }

    /// <summary>K.</summary>
    public int Options => _k;

    /// <summary>Runs the policy on hidden [N, D].</summary>
    public void Begin(DeviceView<float> hidden)
    {
        _rows = checked((int)(hidden.Length / _d));
        DeviceView<float> logits = _policyLogits.First((long)_rows * _k);
        _policy.Forward(hidden, logits);
        _device.Softmax(logits, logits, _k);
        logits.Download(_pi.AsSpan(0, _rows * _k));
    }

    /// <summary>pi of a row, [K].</summary>
    public ReadOnlySpan<float> Probabilities(int row) => _pi.AsSpan(row * _k, _k);

    /// <summary>Chooses an option for a row.</summary>
    public void Set(int row, int option)
    {
        _choice.AsSpan(row * _k, _k).Clear();
        _choice[row * _k + option] = 1;
        _chosen[row] = true;
    }

    /// <summary>Marks a row that keeps its hidden state.</summary>
    public void SetNone(int row) => _chosen[row] = false;

    /// <summary>h' [N, D] for the chosen options.</summary>
    public DeviceView<float> Bend(DeviceView<float> hidden)
    {
        DeviceView<float> z = _z.First((long)_rows * _k), bent = _bent.First(hidden.Length);
        z.Upload(_choice.AsSpan(0, _rows * _k));
        _decoder.Forward(hidden, z, bent);
        for (int row = 0; row < _rows; row++)
        {
            if (!_chosen[row]) _device.Copy(hidden.Slice((long)row * _d, _d), bent.Slice((long)row * _d, _d));
        }
        return bent;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _policy.Dispose();
        _decoder.Dispose();
        foreach (DeviceBuffer<float> buffer in (DeviceBuffer<float>[])[_policyLogits, _z, _bent]) buffer.Dispose();
    }
}
