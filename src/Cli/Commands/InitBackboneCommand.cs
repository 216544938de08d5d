using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Nodes;
using OllmNative.Model;

namespace OllmNative.Cli.Commands;

/// <summary>
/// <c>ollm init-backbone</c> (hidden): a model folder of a real shape with random weights, for benchmarks and tests.
/// </summary>
internal static class InitBackboneCommand
{
    private static readonly string[] TokenizerFiles =
    [
        "tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "generation_config.json", "vocab.json", "merges.txt",
        "special_tokens_map.json", "added_tokens.json",
    ];

    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    // Readers of PyTorch's world look for it.
    private static readonly Dictionary<string, string> FileMetadata = new() { ["format"] = "pt" };

    public static Command Create(Output ui)
    {
        Option<string> output = CommonOptions.Path("--out", "The folder to write.", "DIR");
        Option<string?> config = CommonOptions.OptionalPath("--config", "A config.json to take the shape from.");
        var shape = new Option<string?>("--shape") { Description = $"A public model's shape: {string.Join(", ", KnownShapes.Names)}.", HelpName = "NAME" };
        Option<string> type = CommonOptions.Choice("--dtype", "Element type of the weights.", "bf16", "bf16", "f16", "f32");
        Option<ulong> seed = CommonOptions.Seed("Names the weights.");
        Option<string?> tokenizer = CommonOptions.OptionalPath("--tokenizer", "A folder to copy the tokenizer from.", "DIR");
        Option<int> shards = CommonOptions.Number("--shards", "Number of safetensors files.", 1, 1, 1000);
        var force = new Option<bool>("--force") { Description = "Replace a model that is there already." };
        var command = new Command("init-backbone", "Write a model folder with random weights of a real shape.")
        {
            output, config, shape, type, seed, tokenizer, shards, force,
        };
        command.Hidden = true;
        command.SetAction(parsed =>
        {
            string folder = parsed.GetValue(output)!;
            Files.RefuseExisting("--out", folder, parsed.GetValue(force), "config.json", "model.safetensors", "model.safetensors.index.json");
            DType dtype = parsed.GetValue(type) switch { "f32" => DType.F32, "f16" => DType.F16, _ => DType.BF16 };
            JsonObject json = ReadConfig(parsed.GetValue(config), parsed.GetValue(shape));
            Files.PrepareFolder("--out", folder);
            ModelConfig model = WriteConfig(json, dtype, folder, parsed.GetValue(config));
            if (parsed.GetValue(tokenizer) is { } source) CopyTokenizer(source, folder);
            long bytes = WriteWeights(model, dtype, parsed.GetValue(seed), parsed.GetValue(shards), folder, ui);
            long parameters = BackboneLayout.ParameterCount(model);
            ui.Log($"{Format.Count(parameters)} random parameters ({Format.Bytes(bytes)}) written to {folder}");
            ui.Result(new { @out = folder, parameters, bytes });
        });
        return command;
    }

    private static JsonObject ReadConfig(string? file, string? shape)
    {
        if (file is null == shape is null) throw new OllmException("expected either --config or --shape");
        if (shape is not null)
            return KnownShapes.Config(shape) ?? throw new OllmException($"--shape '{shape}' is not known, expected one of {string.Join(", ", KnownShapes.Names)}");
        JsonFiles.ReadObject(file!); // Says what is wrong with the file, if anything is.
        return JsonNode.Parse(File.ReadAllText(file!))!.AsObject();
    }

    private static ModelConfig WriteConfig(JsonObject json, DType dtype, string folder, string? source)
    {
        json.Remove("dtype");
        json["torch_dtype"] = dtype switch { DType.F32 => "float32", DType.F16 => "float16", _ => "bfloat16" };
        string path = Path.Combine(folder, "config.json");
        DurableFiles.WriteText(path, json.ToJsonString(Indented) + "\n");
        try
        {
            return ModelConfig.Load(folder);
        }
        catch (OllmException error)
        {
            File.Delete(path);
            throw new OllmException(error.Message.Replace(path, source ?? "--shape", StringComparison.Ordinal), error);
        }
    }

    private static void CopyTokenizer(string source, string folder)
    {
        if (!File.Exists(Path.Combine(source, TokenizerFiles[0]))) throw new OllmException($"--tokenizer {source}: holds no tokenizer.json");
        foreach (string name in TokenizerFiles.Where(name => File.Exists(Path.Combine(source, name))))
            DurableFiles.Write(Path.Combine(folder, name), stream => stream.Write(File.ReadAllBytes(Path.Combine(source, name)))); // A copy would keep a read-only mark.
    }

    private static long WriteWeights(ModelConfig config, DType dtype, ulong seed, int shards, string folder, Output ui)
    {
        var random = new RandomWeights(seed, dtype);
        IReadOnlyList<(string Name, long[] Shape)> layout = BackboneLayout.Tensors(config);
        long total = layout.Sum(tensor => BackboneLayout.Elements(tensor.Shape)) * dtype.Size(), done = 0;
        using Progress bar = ui.Progress("writing", total);
        TensorToWrite[] tensors = [.. layout.Select((tensor, number) => new TensorToWrite(tensor.Name, dtype, tensor.Shape, stream =>
        {
            long elements = BackboneLayout.Elements(tensor.Shape);
            if (tensor.Name.EndsWith("norm.weight", StringComparison.Ordinal)) random.WriteOnes(stream, elements);
            else random.Write(stream, number, elements, ui.Cancellation);
            bar.Report(done += elements * dtype.Size());
        }))];
        if (shards == 1) SafetensorsWriter.Write(Path.Combine(folder, "model.safetensors"), tensors, FileMetadata);
        else WriteShards(tensors, Math.Min(shards, tensors.Length), total, folder);
        return total;
    }

    /// <summary>Tensors in order, a new file each time the next share of the bytes is full.</summary>
    private static void WriteShards(TensorToWrite[] tensors, int shards, long total, string folder)
    {
        var map = new JsonObject();
        int next = 0;
        long written = 0;
        for (int shard = 1; shard <= shards; shard++)
        {
            string name = $"model-{shard:D5}-of-{shards:D5}.safetensors";
            var part = new List<TensorToWrite>();
            // Each later shard keeps at least one tensor.
            while (next < tensors.Length - (shards - shard) && (part.Count == 0 || shard == shards || written < total / shards * shard))
            {
                part.Add(tensors[next]);
                written += tensors[next].ByteLength;
                map[tensors[next++].Name] = name;
            }
            SafetensorsWriter.Write(Path.Combine(folder, name), part, FileMetadata);
        }
        var index = new JsonObject { ["metadata"] = new JsonObject { ["total_size"] = total }, ["weight_map"] = map };
        DurableFiles.WriteText(Path.Combine(folder, "model.safetensors.index.json"), index.ToJsonString(Indented) + "\n");
    }
}
