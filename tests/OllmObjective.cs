using OllmNative.Model;

namespace OllmNative.Tests;

/// <summary>
/// The objective of OLLM in double precision, equation by equation, as a function of one flat parameter array. What the
/// gradient treats as constant is frozen at the point of construction: q in the policy's loss, and the hard sample.
/// </summary>
internal sealed class OllmObjective
{
    private readonly OllmShape _shape;
    private readonly LatentMode _mode;
    private readonly double _beta;
    private readonly float[] _hidden, _table, _head;
    private readonly int[] _targets;
    private readonly ulong[] _keys;
    private readonly Dictionary<string, int> _offsets = [];
    private readonly double[][] _q, _soft;

    public OllmObjective(
        OllmShape shape, LatentMode mode, double beta, float[] hidden, int[] targets, ulong[] keys, float[] table, float[] head, double[] at)
    {
        (_shape, _mode, _beta, _hidden, _targets, _keys, _table, _head) = (shape, mode, beta, hidden, targets, keys, table, head);
        int offset = 0;
        foreach ((string name, int[] extents) in shape.Tensors)
        {
            _offsets[name] = offset;
            offset += extents.Aggregate(1, (product, extent) => product * extent);
        }
        _q = [.. Enumerable.Range(0, targets.Length).Select(n => Softmax(EncoderLogits(at, n)))];
        _soft = [.. Enumerable.Range(0, targets.Length).Select(n => Softmax(Noisy(EncoderLogits(at, n), n)))];
    }

    public int OffsetOf(string tensor) => _offsets[tensor];

    /// <summary>Means over the rows: L_ce, L_kl, L_policy.</summary>
    public (double Ce, double Kl, double Policy) Terms(double[] p)
    {
        double ce = 0, kl = 0, policy = 0;
        for (int n = 0; n < _targets.Length; n++)
        {
            double[] encoder = EncoderLogits(p, n), q = Softmax(encoder), logPi = LogSoftmax(PolicyLogits(p, n));
            kl += q.Sum(value => value * (Math.Log(value) + Math.Log(q.Length)));
            for (int k = 0; k < q.Length; k++) policy -= _q[n][k] * logPi[k];
            ce += _mode switch
            {
                LatentMode.Soft => TokenLoss(p, n, q),
                LatentMode.Gumbel => TokenLoss(p, n, StraightThrough(Softmax(Noisy(encoder, n)), n)),
                _ => -Math.Log(Enumerable.Range(0, q.Length).Sum(k => q[k] * Math.Exp(-TokenLoss(p, n, OneHot(k))))),
            };
        }
        return (ce / _targets.Length, kl / _targets.Length, policy / _targets.Length);
    }

    /// <summary>L = L_ce + beta L_kl + L_policy.</summary>
    public double Loss(double[] p)
    {
        (double ce, double kl, double policy) = Terms(p);
        return ce + _beta * kl + policy;
    }

    private double[] EncoderLogits(double[] p, int n)
    {
        double[] h = Rms(p, "encoder.norm_hidden.weight", _hidden, n), e = Rms(p, "encoder.norm_target.weight", _table, _targets[n]);
        return Linear(p, "encoder.out", Silu(Linear(p, "encoder.in", [.. h, .. e])));
    }

    private double[] PolicyLogits(double[] p, int n) =>
        Linear(p, "policy.out", Silu(Linear(p, "policy.in", Rms(p, "policy.norm.weight", _hidden, n))));

    /// <summary>-log softmax(W h')_y for h' = h + b(z).</summary>
    private double TokenLoss(double[] p, int n, double[] z)
    {
        int d = _shape.HiddenSize, m = _shape.LatentWidth;
        double[] pre = Linear(p, "decoder.in", Rms(p, "decoder.norm.weight", _hidden, n));
        for (int i = 0; i < m; i++)
        {
            for (int k = 0; k < z.Length; k++) pre[i] += z[k] * p[_offsets["decoder.options.weight"] + k * m + i];
        }
        double[] bent = Linear(p, "decoder.out", Silu(pre));
        for (int i = 0; i < d; i++) bent[i] += _hidden[n * d + i];
        double[] logits = [.. Enumerable.Range(0, _head.Length / d).Select(v => Enumerable.Range(0, d).Sum(i => _head[v * d + i] * bent[i]))];
        return -LogSoftmax(logits)[_targets[n]];
    }

    /// <summary>hard + soft - (soft at the start): its value is the hard sample, its derivative the soft one's.</summary>
    private double[] StraightThrough(double[] soft, int n)
    {
        double[] hard = OneHot(Array.IndexOf(_soft[n], _soft[n].Max()));
        return [.. soft.Select((value, k) => hard[k] + value - _soft[n][k])];
    }

    private double[] Noisy(double[] logits, int n) => [.. logits.Select((value, k) => value + Counter.Gumbel(_keys[n], (ulong)k))];

    private double[] OneHot(int option) => [.. Enumerable.Range(0, _shape.Options).Select(k => k == option ? 1.0 : 0)];

    private double[] Rms(double[] p, string gain, float[] rows, int row)
    {
        int d = _shape.HiddenSize;
        double squares = 0;
        for (int i = 0; i < d; i++) squares += (double)rows[row * d + i] * rows[row * d + i];
        double scale = 1 / Math.Sqrt(squares / d + _shape.Epsilon);
        return [.. Enumerable.Range(0, d).Select(i => p[_offsets[gain] + i] * rows[row * d + i] * scale)];
    }

    private double[] Linear(double[] p, string layer, double[] x)
    {
        int w = _offsets[layer + ".weight"], b = _offsets[layer + ".bias"];
        var y = new double[(b - w) / x.Length];
        for (int j = 0; j < y.Length; j++)
        {
            y[j] = p[b + j];
            for (int i = 0; i < x.Length; i++) y[j] += p[w + j * x.Length + i] * x[i];
        }
        return y;
    }

    private static double[] Silu(double[] x) => [.. x.Select(value => value / (1 + Math.Exp(-value)))];

    private static double[] LogSoftmax(double[] x)
    {
        double max = x.Max(), log = max + Math.Log(x.Sum(value => Math.Exp(value - max)));
        return [.. x.Select(value => value - log)];
    }

    private static double[] Softmax(double[] x) => [.. LogSoftmax(x).Select(Math.Exp)];
}
