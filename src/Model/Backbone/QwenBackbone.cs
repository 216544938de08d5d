namespace OllmNative.Model;

/// <summary>How a backbone's matrices are held in memory.</summary>
public enum WeightFormat
{
    /// <summary>As the file has them, mapped in place.</summary>
    AsStored,

    /// <summary>Signed bytes with a scale for each row, made at loading: half the memory traffic of 16-bit weights.</summary>
    Int8,
}

/// <summary>
/// The frozen backbone: Qwen2 / Qwen2.5 / DeepSeek-R1-Distill-Qwen (biases on q, k, v) and Qwen3 (RmsNorm on each head of
/// q and k). Pre-norm decoder with rotary positions, grouped-query attention and SwiGLU; see arXiv 2407.10671 and
/// 2505.09388. Weights stay where the file is mapped, in the type that the file has.
/// </summary>
public sealed class QwenBackbone : IDisposable
{
    private const int LeastPositions = 256;

    private readonly Layer[] _layers;
    private readonly DeviceBuffer<float> _norm;
    private readonly Checkpoint _checkpoint;
    private readonly List<DeviceBuffer<float>> _vectors = [];
    private DeviceBuffer<float>? _rope;
    private Pass _pass;
    private Action? _run;
    private int _ropePositions;
    private readonly bool _borrows;

    private QwenBackbone(ComputeDevice device, ModelConfig config, Checkpoint checkpoint, WeightFormat format)
    {
        Device = device;
        Config = config;
        Weights = format;
        _checkpoint = checkpoint;
        int d = config.HiddenSize, q = config.Heads * config.HeadDim, kv = config.KvHeads * config.HeadDim, f = config.IntermediateSize;
        Embedding = Stored("model.embed_tokens.weight", config.VocabSize, d);
        Head = config.TieWordEmbeddings ? Embedding : Stored("lm_head.weight", config.VocabSize, d);
        DecodeHead = InFormat(Head);
        _norm = Vector("model.norm.weight", d);
        _layers = new Layer[config.Layers];
        for (int i = 0; i < _layers.Length; i++)
        {
            string at = $"model.layers.{i}.";
            string attention = at + "self_attn.";
            _layers[i] = new Layer(
                InputNorm: Vector(at + "input_layernorm.weight", d).View,
                Q: Matrix(attention + "q_proj.weight", q, d), QBias: Bias(config.QkvBias, attention + "q_proj.bias", q),
                K: Matrix(attention + "k_proj.weight", kv, d), KBias: Bias(config.QkvBias, attention + "k_proj.bias", kv),
                V: Matrix(attention + "v_proj.weight", kv, d), VBias: Bias(config.QkvBias, attention + "v_proj.bias", kv),
                QNorm: Bias(config.QkNorm, attention + "q_norm.weight", config.HeadDim),
                KNorm: Bias(config.QkNorm, attention + "k_norm.weight", config.HeadDim),
                O: Matrix(attention + "o_proj.weight", d, q), OBias: Bias(config.OutputBias, attention + "o_proj.bias", d),
                PostNorm: Vector(at + "post_attention_layernorm.weight", d).View,
                Gate: Matrix(at + "mlp.gate_proj.weight", f, d), Up: Matrix(at + "mlp.up_proj.weight", f, d),
                Down: Matrix(at + "mlp.down_proj.weight", d, f));
        }
    }

    private QwenBackbone(QwenBackbone source, ComputeDevice device)
    {
        (Device, Config, Weights, _checkpoint, _borrows) = (device, source.Config, source.Weights, source._checkpoint, true);
        (Embedding, Head, DecodeHead, _norm, _layers) = (source.Embedding, source.Head, source.DecodeHead, source._norm, source._layers);
        (Fingerprint, ParameterCount) = (source.Fingerprint, source.ParameterCount);
    }

    /// <summary>Where the operations run.</summary>
    public ComputeDevice Device { get; }

    /// <summary>The backbone's config.json.</summary>
    public ModelConfig Config { get; }

    /// <summary>Token embeddings [V, D].</summary>
    public DeviceMatrix Embedding { get; }

    /// <summary>Output head [V, D]; the embedding itself when the weights are tied.</summary>
    public DeviceMatrix Head { get; }

    /// <summary>The output head that generation reads once for every token: <see cref="Head"/>, in the format of <see cref="Weights"/>.</summary>
    public DeviceMatrix DecodeHead { get; }

    /// <summary>How the matrices of the layers and <see cref="DecodeHead"/> are held; <see cref="Head"/>, which losses read, stays as stored.</summary>
    public WeightFormat Weights { get; }

    /// <summary>Identifies config and tensor table; OLLM folders name the backbone that they were made for by it.</summary>
    public string Fingerprint { get; private init; } = "";

    /// <summary>Tells backbones of one shape apart by samples of their weights (<see cref="BackboneFingerprint.SampleWeights"/>).</summary>
    public string WeightsSample => BackboneFingerprint.SampleWeights(_checkpoint);

    /// <summary>Parameters of the backbone, tied weights counted once.</summary>
    public long ParameterCount { get; private init; }

    /// <summary>Bytes of weights that one decoded token reads (the embedding is gathered, not streamed).</summary>
    public long BytesPerToken
    {
        get
        {
            long bytes = DecodeHead.Bytes;
            foreach (Layer l in _layers) bytes += l.Q.Bytes + l.K.Bytes + l.V.Bytes + l.O.Bytes + l.Gate.Bytes + l.Up.Bytes + l.Down.Bytes;
            return bytes;
        }
    }

    /// <summary>Opens a model folder: config.json and safetensors, one file or shards.</summary>
    /// <param name="device">Where the operations run.</param>
    /// <param name="folder">The model's folder.</param>
    /// <param name="format">How to hold the matrices; other than as stored takes memory of its own and a moment at loading.</param>
    /// <exception cref="OllmException">
    /// A file is missing or malformed, a tensor has another shape or type than the config asks for, or the device does not
    /// know the format.
    /// </exception>
    public static QwenBackbone Load(ComputeDevice device, string folder, WeightFormat format = WeightFormat.AsStored)
    {
        ModelConfig config = ModelConfig.Load(folder);
        Checkpoint checkpoint = Checkpoint.Open(folder);
        try
        {
            return new QwenBackbone(device, config, checkpoint, format)
            {
                Fingerprint = BackboneFingerprint.Compute(config, checkpoint),
                ParameterCount = checkpoint.Tensors.Where(t => !(config.TieWordEmbeddings && t.Name == "lm_head.weight")).Sum(t => t.ElementCount),
            };
        }
        catch
        {
            checkpoint.Dispose();
            throw;
        }
    }

    /// <summary>
    /// The same weights for forward passes on another device that can read them (<see cref="ComputeDevice.Lanes"/>); they stay this
    /// backbone's, which has to live longer.
    /// </summary>
    public QwenBackbone On(ComputeDevice device) => new(this, device);

    /// <summary>
    /// Runs the packed batch through all layers, appends its keys and values to the cache and writes the final-norm hidden
    /// states, the input of the head: hidden [N, D].
    /// </summary>
    public void Forward(TokenBatch batch, KvCache cache, ForwardBuffers buffers, DeviceView<float> hidden)
    {
        ArgumentNullException.ThrowIfNull(batch);
        ArgumentNullException.ThrowIfNull(cache);
        ArgumentNullException.ThrowIfNull(buffers);
        _pass = new Pass(batch, cache, buffers.For(batch.Rows), RopeTable(batch.Positions), hidden);
        if (batch.Rows == batch.Count)
            Device.Repeat(new RepeatKey(batch, cache, buffers, _rope!, hidden.Buffer!, hidden.Offset, batch.Rows), batch.Spans, _run ??= RunPass);
        else
            RunPass();
    }

    /// <summary>Makes the rotary table long enough for a batch, before work that only reads it is recorded or started.</summary>
    internal void PrepareForward(TokenBatch batch) => RopeTable(batch.Positions);

    /// <summary>The memory of the rotary table, which grows with the positions.</summary>
    internal object RopeMemory => _rope!;

    /// <summary>The forward pass, top to bottom.</summary>
    private void RunPass()
    {
        (TokenBatch batch, KvCache cache, ForwardBuffers.Views b, DeviceView<float> rope, DeviceView<float> hidden) = _pass;
        ModelConfig c = Config;
        ComputeDevice device = Device;
        device.Embedding(batch.Tokens, Embedding, b.X);                                     // x    [N, D]
        for (int i = 0; i < _layers.Length; i++)
        {
            Layer w = _layers[i];
            var q = new Projection(w.Q, w.QBias, b.Q);                                      // q    [N, H * Dh]
            var k = new Projection(w.K, w.KBias, b.K);                                      // k    [N, Hkv * Dh]
            var v = new Projection(w.V, w.VBias, b.V);                                      // v    [N, Hkv * Dh]
            bool done = !c.QkNorm && batch.Rows == batch.Count && device.NormRopeToCache(
                b.X, w.InputNorm, c.RmsNormEps, q, k, v, batch.PositionIds, rope, batch.CacheRows, cache.Keys(i), cache.Values(i), c.HeadDim);
            if (!done)
            {
                device.NormMatMulEach(b.X, w.InputNorm, c.RmsNormEps, b.Normed, q, k, v);   //      [N, D]
                if (c.QkNorm)
                {
                    device.RmsNorm(b.Q, w.QNorm, b.Q, c.RmsNormEps);                        // each head by itself
                    device.RmsNorm(b.K, w.KNorm, b.K, c.RmsNormEps);
                }
                device.RopeToCache(b.Q, b.K, b.V, batch.PositionIds, rope, batch.CacheRows, cache.Keys(i), cache.Values(i), c.HeadDim);
            }
            device.Attention(b.Q, cache.Keys(i), cache.Values(i), batch.Spans, b.Attended, c.Heads, c.KvHeads, c.HeadDim); // [N, H * Dh]
            device.MatMul(b.Attended, w.O, w.OBias, b.X, accumulate: true);                 // x += o   [N, D]

            device.NormMlp(b.X, w.PostNorm, c.RmsNormEps, b.Normed, w.Gate, w.Up, w.Down, b.Gate, b.Up); // x += mlp [N, D]
        }
        device.RmsNorm(b.X, _norm.View, hidden, c.RmsNormEps);                              // h    [N, D]
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (DeviceBuffer<float> vector in _vectors) vector.Dispose();
        _rope?.Dispose();
        if (!_borrows) _checkpoint.Dispose();
    }

    /// <summary>
    /// cos and sin of position * theta^(-2i/Dh) for i &lt; Dh/2, [positions, Dh]. Angles are rounded to f32 before the cosine,
    /// as the reference implementations do.
    /// </summary>
    private DeviceView<float> RopeTable(int positions)
    {
        if (positions > _ropePositions)
        {
            int count = Math.Max(Math.Max(positions, 2 * _ropePositions), LeastPositions), half = Config.HeadDim / 2;
            var table = new float[(long)count * Config.HeadDim];
            for (int i = 0; i < half; i++)
            {
                float frequency = (float)(1 / Math.Pow(Config.RopeTheta, 2.0 * i / Config.HeadDim));
                for (int p = 0; p < count; p++)
                {
                    float angle = p * frequency;
                    table[(long)p * Config.HeadDim + i] = (float)Math.Cos(angle);
                    table[(long)p * Config.HeadDim + half + i] = (float)Math.Sin(angle);
                }
            }
            _rope?.Dispose();
            _rope = Device.Allocate<float>(table.LongLength);
            _rope.Upload(0, table);
            _ropePositions = count;
        }
        return _rope!.View;
    }

    private DeviceMatrix Matrix(string name, int rows, int columns) => InFormat(Stored(name, rows, columns));

    private DeviceMatrix Stored(string name, int rows, int columns) => Device.Matrix(_checkpoint.Get(name, rows, columns));

    private DeviceMatrix InFormat(DeviceMatrix matrix) => Weights == WeightFormat.Int8 ? Device.Quantize(matrix) : matrix;

    private DeviceView<float> Bias(bool present, string name, int length) => present ? Vector(name, length).View : default;

    private DeviceBuffer<float> Vector(string name, int length)
    {
        DeviceBuffer<float> buffer = Device.Allocate<float>(length);
        buffer.Upload(0, _checkpoint.Get(name, length).ToFloats());
        _vectors.Add(buffer);
        return buffer;
    }

    /// <summary>What the running forward pass works on. It is kept here so that a repeated pass allocates nothing.</summary>
    private readonly record struct Pass(TokenBatch Batch, KvCache Cache, ForwardBuffers.Views Buffers, DeviceView<float> Rope, DeviceView<float> Hidden);

    private sealed record Layer(
        DeviceView<float> InputNorm,
        DeviceMatrix Q, DeviceView<float> QBias, DeviceMatrix K, DeviceView<float> KBias, DeviceMatrix V, DeviceView<float> VBias,
        DeviceView<float> QNorm, DeviceView<float> KNorm,
        DeviceMatrix O, DeviceView<float> OBias,
        DeviceView<float> PostNorm, DeviceMatrix Gate, DeviceMatrix Up, DeviceMatrix Down);
}
