namespace OllmNative.Model;

/// <summary>
/// Policy and decoder at inference: the policy's distribution for some rows, then those rows bent by the chosen options,
/// and further copies of rows under other options, all in one pass.
/// </summary>
public sealed class OptionHead : IDisposable
{
    private const int None = -1;

    private readonly ComputeDevice _device;
    private readonly Policy _policy;
    private readonly Decoder _decoder;
    private readonly int _k, _d;
    private readonly DeviceBuffer<float> _policyLogits, _z, _copies, _bent;
    private readonly DeviceBuffer<int> _sources;
    private readonly float[] _pi, _choice;
    private readonly int[] _option, _source;
    private int _rows, _more;

    /// <summary>Allocates for up to <paramref name="maxRows"/> rows and <paramref name="maxCopies"/> copies of rows.</summary>
    public OptionHead(QwenBackbone backbone, OllmModel ollm, int maxRows, int maxCopies = 0)
    {
        ArgumentNullException.ThrowIfNull(backbone);
        ArgumentNullException.ThrowIfNull(ollm);
        (_device, _k, _d) = (backbone.Device, ollm.Shape.Options, ollm.Shape.HiddenSize);
        int all = maxRows + maxCopies;
        _policy = new Policy(_device, ollm.Parameters, null, maxRows);
        _decoder = new Decoder(_device, ollm.Parameters, null, all);
        _policyLogits = _device.Allocate<float>((long)maxRows * _k);
        _z = _device.Allocate<float>((long)all * _k);
        _copies = _device.Allocate<float>(maxCopies == 0 ? 0 : (long)all * _d);
        _bent = _device.Allocate<float>((long)all * _d);
        _sources = _device.Allocate<int>(all);
        _pi = new float[maxRows * _k];
        _choice = new float[all * _k];
        (_option, _source) = (new int[all], new int[all]);
    }

    /// <summary>K.</summary>
    public int Options => _k;

    /// <summary>Rows of the last <see cref="Begin"/>; copies come after them.</summary>
    public int Rows => _rows;

    /// <summary>Runs the policy on hidden [N, D]; the rows have no option yet.</summary>
    public void Begin(DeviceView<float> hidden)
    {
        _rows = checked((int)(hidden.Length / _d));
        _more = 0;
        _option.AsSpan(0, _rows).Fill(None);
        DeviceView<float> logits = _policyLogits.First((long)_rows * _k);
        _policy.Forward(hidden, logits);
        _device.Softmax(logits, logits, _k);
        logits.Download(_pi.AsSpan(0, _rows * _k));
    }

    /// <summary>pi of a row, [K].</summary>
    public ReadOnlySpan<float> Probabilities(int row) => _pi.AsSpan(row * _k, _k);

    /// <summary>Chooses an option for a row.</summary>
    public void Set(int row, int option) => _option[row] = option;

    /// <summary>Marks a row that keeps its hidden state.</summary>
    public void SetNone(int row) => _option[row] = None;

    /// <summary>Adds a copy of a row under another option (null: as it is) after the rows; returns its place in the result.</summary>
    public int AddCopy(int row, int? option)
    {
        int at = _rows + _more++;
        (_source[at], _option[at]) = (row, option ?? None);
        return at;
    }

    /// <summary>h' for the chosen options, the copies after the rows: [N + copies, D].</summary>
    public DeviceView<float> Bend(DeviceView<float> hidden)
    {
        int all = _rows + _more;
        if (_more > 0) hidden = WithCopies(hidden);
        DeviceView<float> z = _z.First((long)all * _k), bent = _bent.First(hidden.Length);
        _choice.AsSpan(0, all * _k).Clear();
        for (int row = 0; row < all; row++)
        {
            if (_option[row] != None) _choice[row * _k + _option[row]] = 1;
        }
        z.Upload(_choice.AsSpan(0, all * _k));
        _decoder.Forward(hidden, z, bent);
        for (int row = 0; row < all; row++)
        {
            if (_option[row] == None) _device.Copy(hidden.Slice((long)row * _d, _d), bent.Slice((long)row * _d, _d));
        }
        return bent;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _policy.Dispose();
        _decoder.Dispose();
        foreach (IDisposable buffer in (IDisposable[])[_policyLogits, _z, _copies, _bent, _sources]) buffer.Dispose();
    }

    private DeviceView<float> WithCopies(DeviceView<float> hidden)
    {
        int all = _rows + _more;
        for (int row = 0; row < _rows; row++) _source[row] = row;
        DeviceView<int> sources = _sources.First(all);
        sources.Upload(_source.AsSpan(0, all));
        DeviceView<float> copies = _copies.First((long)all * _d);
        _device.GatherRows(hidden, sources, copies, _d);
        return copies;
    }
}
