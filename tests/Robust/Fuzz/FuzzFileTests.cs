using System.Text;
using System.Text.Json.Nodes;
using OllmNative.Model;
using OllmNative.Model.Cpu;
using OllmNative.Training;

namespace OllmNative.Tests;

/// <summary>Mutated files of a model, of a run and of data: accepted or refused with a message, nothing else.</summary>
public sealed class FuzzFileTests : IDisposable
{
    private readonly CpuDevice _device = new(1);
    private readonly CliTextModel _model = new();
    private readonly string _folder = TestData.NewFolder();

    public void Dispose() => _device.Dispose();

    [Fact]
    public void Safetensors_Mutated_NeverCrashes() => FuzzRun.Of("safetensors", [Small(), Of("model.safetensors")], bytes =>
    {
        using SafetensorsFile file = SafetensorsFile.Open(Write("x.safetensors", bytes));
        foreach (MappedTensor tensor in file.Tensors.Where(tensor => tensor.DType is DType.F32 or DType.F16 or DType.BF16)) tensor.ToFloats();
    });

    [Fact]
    public void ShardIndex_Mutated_NeverCrashesNorLeavesTheFolder()
    {
        string folder = Directory.CreateDirectory(Path.Combine(_folder, "sharded")).FullName;
        SafetensorsWriter.Write(Path.Combine(_folder, "passwd.safetensors"), [TensorToWrite.FromFloats("a", new float[3], 3)]);
        foreach (string name in (string[])["one", "two"]) SafetensorsWriter.Write(Path.Combine(folder, $"{name}.safetensors"), [TensorToWrite.FromFloats(name == "one" ? "a" : "b", new float[3], 3)]);
        byte[] good = Encoding.UTF8.GetBytes("""{"metadata": {"total_size": 24}, "weight_map": {"a": "one.safetensors", "b": "two.safetensors"}}""");
        FuzzRun.Of("index", [good], bytes =>
        {
            File.WriteAllBytes(Path.Combine(folder, "model.safetensors.index.json"), bytes);
            using Checkpoint checkpoint = Checkpoint.Open(folder);
            Assert.All(checkpoint.Files, file => Assert.Equal(folder, Path.GetDirectoryName(Path.GetFullPath(file))));
        });
    }

    [Fact]
    public void Config_Mutated_NeverCrashes() => FuzzRun.Of("config", [Of("config.json"), Text(CliRun.TinyConfig)], bytes =>
    {
        // The whole backbone is opened: sizes that the weights do not have must be found before anything is allocated for them.
        Write("model/config.json", bytes);
        string weights = Path.Combine(_folder, "model", "model.safetensors");
        if (!File.Exists(weights)) File.Copy(_model.At("model.safetensors"), weights);
        ModelConfig.Load(Path.Combine(_folder, "model"));
        if (bytes.AsSpan().SequenceEqual(Text(CliRun.TinyConfig))) return; // A good configuration of another model.
        using QwenBackbone backbone = QwenBackbone.Load(_device, Path.Combine(_folder, "model"));
    });

    [Fact]
    public void TokenizerJson_Mutated_NeverCrashes()
    {
        JsonObject pairs = TokenizerSamples.SmallFile();
        pairs["model"]!["merges"] = TokenizerSamples.AsPairs(pairs["model"]!["merges"]!.AsArray());
        FuzzRun.Of("tokenizer", [Of("tokenizer.json"), Text(TokenizerSamples.SmallFile().ToJsonString()), Text(pairs.ToJsonString())], bytes =>
        {
            Write("tok/tokenizer.json", bytes);
            Tokenizer tokenizer = Tokenizer.Load(Path.Combine(_folder, "tok"));
            int[] ids = tokenizer.Encode("It's 12345 <|end|> naïve 漢字 \uD83D\uDE00\n\n  x aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!", allowSpecial: true);
            tokenizer.Decode(ids);
        });
    }

    [Fact]
    public void TokenizerConfig_Mutated_NeverCrashes()
    {
        byte[] good = Text("""{"chat_template": "{{<|im_start|>system\\nYou are good.<|im_end|>}}", "bos_token": {"content": "<s>"}, "eos_token": "<|end|>", "add_bos_token": true}""");
        byte[] list = Text("""{"chat_template": [{"name": "default", "template": "<｜Assistant｜><think>"}], "bos_token": null}""");
        Write("chat/tokenizer.json", Of("tokenizer.json"));
        byte[] deep = Text("""{"chat_template": "{% for m in messages %}{% if m.role == 'user' %}<｜User｜>{{ m.content }}<｜Assistant｜>{% endif %}{% endfor %}<think>\n", "bos_token": "<｜begin▁of▁sentence｜>", "added_tokens_decoder": {"1": {"content": "x"}}}""");
        FuzzRun.Of("tokenizer-config", [good, list, deep], bytes =>
        {
            Write("chat/tokenizer_config.json", bytes);
            ChatFormat.Detect(Path.Combine(_folder, "chat")).Render([new ChatMessage("user", "hi")], addGenerationPrompt: true);
        });
    }

    [Fact]
    public void GenerationConfig_Mutated_NeverCrashes() => FuzzRun.Of("generation-config",
        [Text("""{"do_sample": true, "temperature": 0.7, "top_k": 20, "top_p": 0.8, "repetition_penalty": 1.05, "eos_token_id": [1, 2], "bos_token_id": 3, "pad_token_id": null}""")],
        bytes =>
        {
            Write("gen/generation_config.json", bytes);
            GenerationConfig.Load(Path.Combine(_folder, "gen"));
        });

    [Fact]
    public void DataRows_Mutated_NeverCrash()
    {
        Tokenizer tokenizer = Tokenizer.Load(_model.Folder);
        var encoder = new RowEncoder(ModelConfig.Load(_model.Folder), tokenizer, ChatFormat.Parse("chatml"), 64);
        byte[][] corpus =
        [
            Text("{\"problem\": \"1 + 2\", \"generated_solution\": \"it is \\\\boxed{3}\", \"expected_answer\": \"3\"}\n{\"question\": \"q\", \"answer\": \"a #### 7\"}\n"),
            Text("{\"tokens\": [1, 2, 3], \"prompt_length\": 1}\n{\"text\": \"a\"}\n{\"prompt\": \"a\", \"completion\": \"b\"}\n"),
            Text("{\"messages\": [{\"role\": \"user\", \"content\": \"x\"}, {\"role\": \"assistant\", \"content\": \"y\"}]}\n"),
            Text("{\"problem\": \"p\", \"solution\": \"so \\\\boxed{\\\\frac{1}{2}}\", \"answer\": \"1/2\", \"difficulty\": 4.5, \"domain\": [\"a\", \"b\"]}\n"),
        ];
        FuzzRun.Of("rows", corpus, bytes =>
        {
            string path = Write("rows.jsonl", bytes);
            foreach (DataRow row in RowReader.Read(path))
            {
                encoder.EncodePrompt(row);
                if (row.Completion is not null) encoder.Encode(row);
            }
        });
    }

    [Fact]
    public void Answers_Mutated_NeverCrash() => FuzzRun.Of("answers",
        [Text("\\boxed{\\frac{1}{2}}\n1/2"), Text("the answer is x^2 + \\sqrt{3}(2-1)\n\\sqrt{3}+x^{2}"), Text("[1, 2) \\cup \\{3\\}\n\\{3\\}\\cup[1,2)"), Text("1e999\n10^{999}")],
        bytes =>
        {
            string[] parts = Encoding.UTF8.GetString(bytes).Split('\n', 2);
            string? answer = AnswerExtractor.Extract(parts[0]);
            AnswerChecker.Equivalent(answer ?? parts[0], parts[^1]);
        }, refuses: false);

    [Fact]
    public void OllmManifest_Mutated_NeverCrashes()
    {
        using QwenBackbone backbone = QwenBackbone.Load(_device, _model.Folder);
        string folder = Path.Combine(_folder, "ollm");
        using (OllmModel fresh = OllmModel.Create(backbone, 3, 8, 1)) fresh.Save(folder);
        FuzzRun.Of("ollm", [File.ReadAllBytes(Path.Combine(folder, "ollm.json"))], bytes =>
        {
            Write("ollm/ollm.json", bytes);
            using OllmModel ollm = OllmModel.Load(backbone, folder);
        });
    }

    [Fact]
    public void CheckpointState_MutatedAndSealedAnew_NeverCrashes()
    {
        string output = Path.Combine(_folder, "run");
        var fields = new JsonObject { ["step"] = 3, ["tokens"] = 5, ["beta"] = 0.5, ["metrics_length"] = 7, ["run"] = "a/b" };
        new CheckpointStore(output).Write(3, folder => File.WriteAllText(Path.Combine(folder, "data"), "x"), fields, keep: 1, score: 0.5);
        string state = Path.Combine(output, "checkpoints", "step-00000003", "state.json");
        FuzzRun.Of("state", [File.ReadAllBytes(state)], bytes =>
        {
            File.WriteAllBytes(state, Sealed(bytes));
            TrainingCheckpoint.Newest(output);
            new CheckpointStore(output).Best();
        });
    }

    /// <summary>Every second input gets a checksum that is right, so that what is behind the checksum is reached.</summary>
    private static byte[] Sealed(byte[] bytes)
    {
        string text = Encoding.UTF8.GetString(bytes);
        const string key = "\"checksum\": \"";
        int at = text.IndexOf(key, StringComparison.Ordinal) + key.Length;
        if (bytes.Length % 2 == 0 || at < key.Length || at + 64 > text.Length) return bytes;
        string zeros = string.Concat(text.AsSpan(0, at), new string('0', 64), text.AsSpan(at + 64));
        string sum = Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(Encoding.UTF8.GetBytes(zeros)));
        return Encoding.UTF8.GetBytes(string.Concat(text.AsSpan(0, at), sum, text.AsSpan(at + 64)));
    }

    private static byte[] Small()
    {
        string path = Path.Combine(TestData.NewFolder(), "small.safetensors");
        SafetensorsWriter.Write(
            path, [TensorToWrite.FromFloats("a", new float[6], 2, 3), TensorToWrite.FromBytes("b", DType.BF16, new byte[4], 2), TensorToWrite.FromFloats("c", new float[1])],
            new Dictionary<string, string> { ["format"] = "pt" });
        return File.ReadAllBytes(path);
    }

    private byte[] Of(string name) => File.ReadAllBytes(_model.At(name));

    private static byte[] Text(string text) => Encoding.UTF8.GetBytes(text);

    private string Write(string name, byte[] bytes)
    {
        string path = Path.Combine(_folder, name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllBytes(path, bytes);
        return path;
    }
}
