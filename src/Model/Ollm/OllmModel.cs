using System.Text.Json;

namespace OllmNative.Model;

/// <summary>How z is drawn from the encoder while training.</summary>
public enum LatentMode
{
    /// <summary>Straight-through Gumbel-softmax.</summary>
    Gumbel,

    /// <summary>z = q, deterministic.</summary>
    Soft,

    /// <summary>The exact mixture over all options.</summary>
    Marginal,
}

/// <summary>
/// An OLLM folder: <c>ollm.safetensors</c> with the tensors of <see cref="OllmShape.Tensors"/> in F32, and <c>ollm.json</c>
/// with its sizes and the backbone that it was made for.
/// </summary>
public sealed class OllmModel : IDisposable
{
    private const int FormatVersion = 1;

    private OllmModel(ComputeDevice device, OllmShape shape, int vocabSize, string? fingerprint)
    {
        Device = device;
        Shape = shape;
        VocabSize = vocabSize;
        BackboneFingerprint = fingerprint;
        Parameters = new OllmTensors(device, shape);
    }

    /// <summary>Where the parameters live.</summary>
    public ComputeDevice Device { get; }

    /// <summary>Sizes.</summary>
    public OllmShape Shape { get; }

    /// <summary>V of the backbone.</summary>
    public int VocabSize { get; }

    /// <summary>The backbone that the modules belong to; null when the folder does not say.</summary>
    public string? BackboneFingerprint { get; }

    /// <summary>Parameters of encoder, decoder and policy.</summary>
    public OllmTensors Parameters { get; }

    /// <summary>The mode that the modules were last trained in.</summary>
    public LatentMode LatentMode { get; set; } = LatentMode.Gumbel;

    /// <summary>Target tokens seen in training.</summary>
    public long TrainedTokens { get; set; }

    /// <summary>
    /// Fresh modules: norms at one, linear weights uniform in ±1/sqrt(inputs), the option table standard normal, biases and
    /// <c>decoder.out</c> zero, so that h' = h for every option.
    /// </summary>
    /// <exception cref="OllmException">K or the width is below 1.</exception>
    public static OllmModel Create(QwenBackbone backbone, int options, int? latentWidth, ulong seed)
    {
        ArgumentNullException.ThrowIfNull(backbone);
        if (options is < 1 or > 1024) throw new OllmException($"--options {options}: expected a number of options from 1 to 1024");
        if (latentWidth is < 1 or > 1 << 20) throw new OllmException($"--latent-width {latentWidth}: expected a width from 1 to {1 << 20}");
        int d = backbone.Config.HiddenSize;
        var shape = new OllmShape(d, latentWidth ?? OllmShape.DefaultLatentWidth(d), options, backbone.Config.RmsNormEps);
        var model = new OllmModel(backbone.Device, shape, backbone.Config.VocabSize, backbone.Fingerprint);
        foreach ((string name, int[] extents) in shape.Tensors)
        {
            var values = new float[extents.Aggregate(1, (product, extent) => product * extent)];
            ulong key = values.Length == 0 ? 0 : Counter.Key(seed, (ulong)model.Parameters[name].Offset);
            if (name.Contains("norm", StringComparison.Ordinal)) Array.Fill(values, 1);
            else if (name == "decoder.options.weight") FillNormal(values, key);
            else if (extents.Length == 2 && name != "decoder.out.weight") FillUniform(values, key, 1 / MathF.Sqrt(extents[1]));
            model.Parameters[name].Upload(values);
        }
        return model;
    }

    /// <summary>Reads an OLLM folder for the given backbone.</summary>
    /// <exception cref="OllmException">A file is missing or malformed, the folder was made for another backbone, or is a damaged checkpoint.</exception>
    public static OllmModel Load(QwenBackbone backbone, string folder)
    {
        ArgumentNullException.ThrowIfNull(backbone);
        if (File.Exists(Path.Combine(folder, SealedFolder.StateFile))) SealedFolder.Open(folder); // A training checkpoint says whether it is whole.
        OllmManifest manifest = OllmManifest.Load(folder);
        ModelConfig config = backbone.Config;
        if (manifest.HiddenSize != config.HiddenSize || manifest.VocabSize != config.VocabSize
            || (manifest.Fingerprint is not null && manifest.Fingerprint != backbone.Fingerprint))
        {
            throw new OllmException(
                $"{manifest.Path}: made for another backbone (hidden_size {manifest.HiddenSize}, vocab_size {manifest.VocabSize}, fingerprint "
                + $"{Short(manifest.Fingerprint)}); {config.Path} has hidden_size {config.HiddenSize}, vocab_size {config.VocabSize}, fingerprint {Short(backbone.Fingerprint)}");
        }
        var shape = new OllmShape(config.HiddenSize, manifest.LatentWidth, manifest.Options, config.RmsNormEps);
        // Sizes are the file's claim until its tensors have them: nothing is allocated before.
        using Checkpoint checkpoint = Checkpoint.Open(Path.Combine(folder, "ollm.safetensors"));
        foreach ((string name, int[] extents) in shape.Tensors)
        {
            MappedTensor tensor = checkpoint.Get(name, [.. extents.Select(e => (long)e)]);
            if (tensor.DType != DType.F32) throw new OllmException($"{tensor.File}: tensor '{name}' is {tensor.DType.Name()}, expected F32");
        }
        var model = new OllmModel(backbone.Device, shape, config.VocabSize, backbone.Fingerprint)
        {
            LatentMode = manifest.LatentMode,
            TrainedTokens = manifest.TrainedTokens,
        };
        try
        {
            foreach ((string name, _) in shape.Tensors)
            {
                MappedTensor tensor = checkpoint.Get(name);
                ReadOnlySpan<float> values = tensor.AsSpan<float>();
                // One such number makes every later one NaN, and texts of it that look like any other.
                if (values.IndexOfAnyExceptInRange(float.MinValue, float.MaxValue) >= 0)
                    throw new OllmException($"{tensor.File}: tensor '{name}' holds NaN or infinity, expected finite numbers");
                model.Parameters[name].Upload(values);
            }
        }
        catch
        {
            model.Dispose();
            throw;
        }
        return model;
    }

    /// <summary>Writes the folder; each file is complete or absent, never half written.</summary>
    public void Save(string folder)
    {
        Directory.CreateDirectory(folder);
        SafetensorsWriter.Write(Path.Combine(folder, "ollm.safetensors"), TensorsOf(Parameters));
        new OllmManifest
        {
            Path = Path.Combine(folder, OllmManifest.FileName), FormatVersion = FormatVersion, Options = Shape.Options, LatentWidth = Shape.LatentWidth,
            LatentMode = LatentMode, HiddenSize = Shape.HiddenSize, VocabSize = VocabSize, Fingerprint = BackboneFingerprint, TrainedTokens = TrainedTokens,
        }.Save();
    }

    /// <summary>The tensors in the layout of <see cref="OllmShape.Tensors"/>, ready to be written, with an optional name prefix.</summary>
    public static IReadOnlyList<TensorToWrite> TensorsOf(OllmTensors tensors, string prefix = "")
    {
        ArgumentNullException.ThrowIfNull(tensors);
        return [.. tensors.Shape.Tensors.Select(t => TensorToWrite.FromFloats(prefix + t.Name, tensors[t.Name].ToArray(), [.. t.Shape.Select(e => (long)e)]))];
    }

    /// <inheritdoc/>
    public void Dispose() => Parameters.Dispose();

    private static void FillUniform(float[] values, ulong key, float bound)
    {
        for (int i = 0; i < values.Length; i++) values[i] = (2 * Counter.Uniform(key, (ulong)i) - 1) * bound;
    }

    /// <summary>Standard normal numbers (Box and Muller 1958).</summary>
    private static void FillNormal(float[] values, ulong key)
    {
        for (int i = 0; i < values.Length; i++)
        {
            float radius = MathF.Sqrt(-2 * MathF.Log(Counter.Uniform(key, 2 * (ulong)i)));
            values[i] = radius * MathF.Cos(2 * MathF.PI * Counter.Uniform(key, 2 * (ulong)i + 1));
        }
    }

    private static string Short(string? fingerprint) => fingerprint is null ? "unknown" : fingerprint[..Math.Min(12, fingerprint.Length)];
}
