using System.Text.Json;

namespace OllmNative.Tests;

/// <summary>A small training run as a process: its command line, and what can be compared between two of them.</summary>
internal sealed class TrainingRun
{
    private readonly string _model = CliRun.NewModel();
    private readonly string _data;
    private readonly string[] _flags;

    /// <summary>A run of so many steps with a checkpoint after each few.</summary>
    public TrainingRun(int steps, int checkpointEvery = 1, params string[] more)
    {
        _data = Path.Combine(_model, "rows.jsonl");
        File.WriteAllLines(_data, Enumerable.Range(0, 23).Select(i => $$"""{"tokens": [{{string.Join(", ", Enumerable.Range(0, 5 + i % 7).Select(t => (i * 7 + t * 3) % 50))}}], "prompt_length": {{i % 3}}}"""));
        _flags =
        [
            "--batch-size", "4", "--steps", $"{steps}", "--checkpoint-every", $"{checkpointEvery}", "--options", "4", "--latent-width", "16", "--lr", "0.01", "--warmup", "5",
            "--schedule", "cosine", "--weight-decay", "0.01", "--seed", "11", "--threads", "1", .. more,
        ];
    }

    /// <summary>A path beside the model.</summary>
    public string At(string name) => Path.Combine(_model, name);

    /// <summary>Arguments of <c>ollm</c>.</summary>
    public string[] Arguments(string output, params string[] more) => ["train", "--model", _model, "--data", _data, "--out", output, .. _flags, .. more];

    /// <summary>What a run leaves: the tensors' bytes, the OLLM's description, and the metrics without times.</summary>
    public static void AssertSame(string expected, string actual)
    {
        foreach (string file in (string[])["ollm.safetensors", "ollm.json"])
            Assert.Equal(File.ReadAllBytes(Path.Combine(expected, file)), File.ReadAllBytes(Path.Combine(actual, file)));
        Assert.Equal(Metrics(expected), Metrics(actual));
    }

    /// <summary>Numbers of metrics.jsonl by name, without the speed.</summary>
    public static string[] Metrics(string folder) =>
    [
        .. File.ReadLines(Path.Combine(folder, "metrics.jsonl")).Select(line =>
        {
            using JsonDocument json = JsonDocument.Parse(line);
            return string.Join(' ', json.RootElement.EnumerateObject().Where(p => p.Name != "tokens_per_second").Select(p => $"{p.Name}={p.Value.GetRawText()}"));
        }),
    ];

    /// <summary>Names in the checkpoints' folder and those in the output folder that only a killed writer leaves.</summary>
    public static string[] Leftovers(string output) =>
    [
        .. Directory.EnumerateFileSystemEntries(output, "*", SearchOption.AllDirectories).Where(path =>
            path.EndsWith(".tmp", StringComparison.Ordinal) || path.Contains("writing-", StringComparison.Ordinal) || path.Contains("removing-", StringComparison.Ordinal)),
    ];
}
