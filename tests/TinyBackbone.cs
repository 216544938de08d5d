using System.Text.Json.Nodes;
using OllmNative.Model;
using OllmNative.Model.Cpu;

namespace OllmNative.Tests;

/// <summary>A random Qwen2 of a few thousand parameters: written as a model folder, then loaded like any other.</summary>
internal sealed class TinyBackbone : IDisposable
{
    private readonly Random _random;

    public TinyBackbone(int hidden = 16, int vocabulary = 41, int layers = 2, int threads = 2, int seed = 1, int? headDim = null)
    {
        _random = new Random(seed);
        const int heads = 4, kvHeads = 2;
        int middle = 2 * hidden, headSize = headDim ?? 2 * ((hidden / heads + 1) / 2), q = heads * headSize, kv = kvHeads * headSize;
        var tensors = new List<TensorToWrite> { Tensor("model.embed_tokens.weight", 1, vocabulary, hidden), Tensor("model.norm.weight", 1, hidden) };
        for (int i = 0; i < layers; i++)
        {
            string at = $"model.layers.{i}.";
            tensors.AddRange(
            [
                Tensor(at + "input_layernorm.weight", 1, hidden), Tensor(at + "post_attention_layernorm.weight", 1, hidden),
                Tensor(at + "self_attn.q_proj.weight", 2, q, hidden), Tensor(at + "self_attn.q_proj.bias", 1, q),
                Tensor(at + "self_attn.k_proj.weight", 2, kv, hidden), Tensor(at + "self_attn.k_proj.bias", 1, kv),
                Tensor(at + "self_attn.v_proj.weight", 1, kv, hidden), Tensor(at + "self_attn.v_proj.bias", 1, kv),
                Tensor(at + "self_attn.o_proj.weight", 1, hidden, q), Tensor(at + "mlp.gate_proj.weight", 2, middle, hidden),
                Tensor(at + "mlp.up_proj.weight", 1, middle, hidden), Tensor(at + "mlp.down_proj.weight", 1, hidden, middle),
            ]);
        }
        tensors.Add(Tensor("lm_head.weight", 4, vocabulary, hidden));
        SafetensorsWriter.Write(Path.Combine(Folder, "model.safetensors"), tensors);
        File.WriteAllText(Path.Combine(Folder, "config.json"), new JsonObject
        {
            ["model_type"] = "qwen2", ["hidden_size"] = hidden, ["intermediate_size"] = middle, ["num_hidden_layers"] = layers, ["num_attention_heads"] = heads,
            ["num_key_value_heads"] = kvHeads, ["head_dim"] = headSize, ["vocab_size"] = vocabulary, ["max_position_embeddings"] = 1024, ["rms_norm_eps"] = 1e-5,
        }.ToJsonString());
        Device = new CpuDevice(threads);
        Model = QwenBackbone.Load(Device, Folder);
    }

    public string Folder { get; } = TestData.NewFolder();

    public CpuDevice Device { get; }

    public QwenBackbone Model { get; }

    /// <summary>The values of every tensor by name.</summary>
    public Dictionary<string, float[]> Weights { get; } = [];

    public int[] Tokens(int count) => [.. Enumerable.Range(0, count).Select(_ => _random.Next(Model.Config.VocabSize))];

    /// <summary>Modules whose every tensor is random, <c>decoder.out</c> too, so that options matter.</summary>
    public OllmModel NewOllm(int options, int width, double scale = 1)
    {
        OllmModel ollm = OllmModel.Create(Model, options, width, seed: 3);
        foreach ((string name, int[] shape) in ollm.Shape.Tensors)
        {
            double bound = shape.Length == 2 ? scale * Math.Sqrt(3.0 / shape[1]) : 0.5 * scale, middle = name.Contains("norm", StringComparison.Ordinal) ? 1 : 0;
            if (name == "decoder.options.weight") bound = 1.5 * scale;
            ollm.Parameters[name].Upload([.. Enumerable.Range(0, (int)ollm.Parameters[name].Length).Select(_ => (float)(middle + Uniform(bound)))]);
        }
        return ollm;
    }

    public void Dispose()
    {
        Model.Dispose();
        Device.Dispose();
        Directory.Delete(Folder, recursive: true);
    }

    private double Uniform(double bound) => (2 * _random.NextDouble() - 1) * bound;

    /// <summary>Matrices are uniform with an output of about <paramref name="gain"/>, embeddings of about 1, norms about 1, biases small.</summary>
    private TensorToWrite Tensor(string name, double gain, params long[] shape)
    {
        bool norm = name.Contains("norm", StringComparison.Ordinal);
        double bound = norm ? 0.3 : shape.Length == 1 ? 0.3 : name.Contains("embed", StringComparison.Ordinal) ? 1.7 : gain * Math.Sqrt(3.0 / shape[1]);
        float[] values = new float[shape.Aggregate(1L, (product, extent) => product * extent)];
        for (int i = 0; i < values.Length; i++) values[i] = (float)((norm ? 1 : 0) + Uniform(bound));
        Weights[name] = values;
        return TensorToWrite.FromFloats(name, values, shape);
    }
}
