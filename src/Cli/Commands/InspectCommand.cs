using System.CommandLine;
using OllmNative.Model;

namespace OllmNative.Cli.Commands;

/// <summary><c>ollm inspect</c>: what a model folder, an OLLM folder or a safetensors file holds.</summary>
internal static class InspectCommand
{
    private const int DefaultOptions = 10;
    private const long CacheTokens = 1000;

    // Nobody reads more of a table, and a file may be made to fill the screen for hours.
    private const int MostLines = 10_000, MostLetters = 2000;

    // Parameters, their gradients and AdamW's two moments.
    private const int TrainingCopies = 4;

    public static Command Create(Output ui)
    {
        var path = new Argument<string>("PATH") { Description = "A model folder, an OLLM or checkpoint folder, or one .safetensors file." };
        var command = new Command("inspect", "Show configuration, tensors, sizes and memory need.") { path };
        command.SetAction(parsed => Run(parsed.GetValue(path)!, ui));
        return command;
    }

    private static void Run(string path, Output ui)
    {
        if (File.Exists(path)) InspectFile(path, ui);
        else if (!Directory.Exists(path)) throw new OllmException($"{path}: no such file or folder");
        else if (File.Exists(Path.Combine(path, OllmManifest.FileName))) InspectOllm(path, ui);
        else if (File.Exists(Path.Combine(path, "config.json"))) InspectModel(path, ui);
        else if (Directory.EnumerateFiles(path, "*.safetensors").Any()) InspectFolder(path, ui);
        else throw new OllmException($"{path}: holds neither config.json, {OllmManifest.FileName} nor *.safetensors files");
    }

    private static void InspectFile(string path, Output ui)
    {
        if (!path.EndsWith(".safetensors", StringComparison.OrdinalIgnoreCase))
            throw new OllmException($"{path}: expected a folder or a file with the extension .safetensors");
        using SafetensorsFile file = SafetensorsFile.Open(path);
        PrintTensors(file.Tensors, ui);
        foreach ((string key, string value) in file.Metadata) ui.Line(Output.Shown($"{Cut(key)}: {Cut(value)}"));
        PrintTotals(file.Tensors, ui);
        ui.Result(new { kind = "file", path, metadata = file.Metadata, tensors = Describe(file.Tensors), parameters = Count(file.Tensors), bytes = Bytes(file.Tensors) });
    }

    private static void InspectOllm(string path, Output ui)
    {
        OllmManifest manifest = OllmManifest.Load(path);
        using Checkpoint checkpoint = Checkpoint.Open(Path.Combine(path, "ollm.safetensors"));
        // A training checkpoint holds more files: the optimizer's state.
        string[] others = [.. Directory.EnumerateFiles(path, "*.safetensors").Where(file => Path.GetFileName(file) != "ollm.safetensors").Order(StringComparer.Ordinal)];
        ui.Line($"OLLM of {manifest.Options} options, latent width {manifest.LatentWidth}, latent mode {Lower(manifest.LatentMode)}, {Format.Grouped(manifest.TrainedTokens)} trained tokens");
        ui.Line($"backbone: hidden size {manifest.HiddenSize}, vocabulary {manifest.VocabSize}, fingerprint {Output.Shown(manifest.Fingerprint ?? "unknown")}");
        PrintTensors(checkpoint.Tensors, ui);
        long parameters = Count(checkpoint.Tensors);
        var modules = ((string[])["encoder", "decoder", "policy"]).ToDictionary(
            module => module, module => Count(checkpoint.Tensors.Where(tensor => tensor.Name.StartsWith(module + ".", StringComparison.Ordinal))));
        ui.Line($"{Format.Count(parameters)} trainable parameters: {string.Join(", ", modules.Select(module => $"{module.Key} {Format.Count(module.Value)}"))}");
        ui.Line($"training state: {Format.Bytes(TrainingBytes(parameters))} (parameters, gradients and two moments)");
        foreach (string other in others) ui.Line($"also here: {Output.Shown(Path.GetFileName(other))}, {Format.Bytes(new FileInfo(other).Length)}");
        ui.Result(new
        {
            kind = "ollm",
            path,
            manifest.Options,
            manifest.LatentWidth,
            latent_mode = Lower(manifest.LatentMode),
            manifest.TrainedTokens,
            backbone = new { manifest.HiddenSize, manifest.VocabSize, manifest.Fingerprint },
            tensors = Describe(checkpoint.Tensors),
            parameters,
            modules,
            bytes = checkpoint.TotalBytes,
            other_files = others.Select(Path.GetFileName),
            memory = new { ollm_training_bytes = TrainingBytes(parameters) },
        });
    }

    private static void InspectModel(string path, Output ui)
    {
        ModelConfig config = ModelConfig.Load(path);
        bool hasWeights = Directory.EnumerateFiles(path, "*.safetensors").Any() || File.Exists(Path.Combine(path, "model.safetensors.index.json"));
        using Checkpoint? checkpoint = hasWeights ? Checkpoint.Open(path) : null;
        PrintConfig(config, ui);
        if (checkpoint is not null)
        {
            PrintTensors(checkpoint.Tensors, ui);
            RefuseMisfits(config, checkpoint);
        }
        else
        {
            ui.Line("There are no weights in the folder; the sizes follow from config.json.");
        }
        long parameters = BackboneLayout.ParameterCount(config);
        long weights = checkpoint?.TotalBytes ?? parameters * (config.DeclaredDType == "float32" ? 4 : 2);
        var ollm = new OllmShape(config.HiddenSize, OllmShape.DefaultLatentWidth(config.HiddenSize), DefaultOptions, config.RmsNormEps);
        double share = (double)ollm.ParameterCount / parameters;
        ui.Line($"{Format.Count(parameters)} parameters; an OLLM of {ollm.Options} options (latent width {ollm.LatentWidth}) trains {Format.Count(ollm.ParameterCount)} = {Format.Percent(share)}");
        ui.Line($"memory: weights {Format.Bytes(weights)} (mapped), keys and values {Format.Bytes(BackboneLayout.KvCacheBytes(config, CacheTokens))} for 1,000 tokens "
            + $"({Format.Bytes(BackboneLayout.CudaKvCacheBytes(config, CacheTokens))} on a GPU), OLLM training state {Format.Bytes(TrainingBytes(ollm.ParameterCount))}");
        ui.Result(new
        {
            kind = "model",
            path,
            config = DescribeConfig(config),
            tensors = checkpoint is null ? null : Describe(checkpoint.Tensors),
            parameters,
            bytes = checkpoint?.TotalBytes,
            trainable = new { options = ollm.Options, ollm.LatentWidth, parameters = ollm.ParameterCount, share },
            memory = new
            {
                weights_bytes = weights,
                kv_cache_bytes_per_1000_tokens = BackboneLayout.KvCacheBytes(config, CacheTokens),
                cuda_kv_cache_bytes_per_1000_tokens = BackboneLayout.CudaKvCacheBytes(config, CacheTokens),
                ollm_training_bytes = TrainingBytes(ollm.ParameterCount),
            },
        });
    }

    private static void InspectFolder(string path, Output ui)
    {
        using Checkpoint checkpoint = Checkpoint.Open(path);
        PrintTensors(checkpoint.Tensors, ui);
        PrintTotals(checkpoint.Tensors, ui);
        ui.Result(new { kind = "tensors", path, files = checkpoint.Files, tensors = Describe(checkpoint.Tensors), parameters = Count(checkpoint.Tensors), bytes = checkpoint.TotalBytes });
    }

    /// <summary>The table is printed by then, so the reader sees what the folder has instead.</summary>
    private static void RefuseMisfits(ModelConfig config, Checkpoint checkpoint)
    {
        foreach ((string name, long[] shape) in BackboneLayout.Tensors(config)) checkpoint.Get(name, shape);
    }

    private static void PrintConfig(ModelConfig c, Output ui)
    {
        ui.Line($"{c.ModelType}: {c.Layers} layers, hidden size {c.HiddenSize}, MLP width {c.IntermediateSize}, vocabulary {c.VocabSize}, "
            + $"head {(c.TieWordEmbeddings ? "tied to the embedding" : "of its own")}");
        ui.Line($"attention: {c.Heads} heads of {c.HeadDim} over {c.KvHeads} key/value heads{(c.QkvBias ? ", biases on q, k, v" : "")}{(c.QkNorm ? ", q and k normalised" : "")}; "
            + FormattableString.Invariant($"rope theta {c.RopeTheta}, {c.MaxPositions} positions, rms norm eps {c.RmsNormEps}"));
    }

    private static object DescribeConfig(ModelConfig c) => new
    {
        c.ModelType,
        c.HiddenSize,
        c.IntermediateSize,
        num_hidden_layers = c.Layers,
        num_attention_heads = c.Heads,
        num_key_value_heads = c.KvHeads,
        c.HeadDim,
        c.VocabSize,
        c.RmsNormEps,
        c.RopeTheta,
        max_position_embeddings = c.MaxPositions,
        c.TieWordEmbeddings,
        qkv_bias = c.QkvBias,
        qk_norm = c.QkNorm,
        bos_token_id = c.BosTokenId,
        eos_token_ids = c.EosTokenIds,
        dtype = c.DeclaredDType,
    };

    private static void PrintTensors(IReadOnlyList<MappedTensor> tensors, Output ui)
    {
        ui.Table(
            ["tensor", "dtype", "shape", "bytes"],
            tensors.Take(MostLines).Select(tensor => (string[])[tensor.Name, tensor.DType.Name(), tensor.ShapeText, Format.Grouped(tensor.ByteLength)]),
            right: 3);
        if (tensors.Count > MostLines) ui.Line($"and {tensors.Count - MostLines} more, which --json lists");
    }

    private static string Cut(string text) => text.Length <= MostLetters ? text : $"{text[..MostLetters]}… ({text.Length} characters)";

    private static void PrintTotals(IReadOnlyList<MappedTensor> tensors, Output ui) =>
        ui.Line($"{tensors.Count} tensors, {Format.Count(Count(tensors))} parameters, {Format.Bytes(Bytes(tensors))}");

    private static object[] Describe(IEnumerable<MappedTensor> tensors) =>
        [.. tensors.Select(tensor => new { tensor.Name, dtype = tensor.DType.Name(), tensor.Shape, bytes = tensor.ByteLength })];

    private static long Count(IEnumerable<MappedTensor> tensors) => tensors.Sum(tensor => tensor.ElementCount);

    private static long Bytes(IEnumerable<MappedTensor> tensors) => tensors.Sum(tensor => tensor.ByteLength);

    private static long TrainingBytes(long parameters) => TrainingCopies * sizeof(float) * parameters;

    private static string Lower(LatentMode mode) => mode.ToString().ToLowerInvariant();
}
