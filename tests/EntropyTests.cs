using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using OllmNative.Model;
using OllmNative.Training;

namespace OllmNative.Tests;

/// <summary>Entropy of the next token and what is made of it.</summary>
public sealed class EntropyTests
{
    [Fact]
    public void Measure_EveryPosition_AgreesWithTheLogits()
    {
        using var tiny = new TinyBackbone();
        TokenRow[] rows = [new(tiny.Tokens(9), 3, 1), new(tiny.Tokens(5), 0, 2)];
        using var diagnosis = new EntropyDiagnosis(tiny.Model, 9);
        IReadOnlyList<PositionEntropy> positions = diagnosis.Measure(rows);
        Assert.Equal([.. Enumerable.Range(3, 6).Select(t => (0, t)), .. Enumerable.Range(1, 4).Select(t => (1, t))], positions.Select(position => (position.Row, position.Index)));
        int v = tiny.Model.Config.VocabSize;
        foreach (PositionEntropy position in positions)
        {
            (_, float[] logits) = Reference.Forward(tiny.Model, rows[position.Row].Tokens);
            double[] p = [.. logits.Skip((position.Index - 1) * v).Take(v).Select(l => Math.Exp(l))];
            double sum = p.Sum();
            (int Token, double P)[] sorted = [.. p.Select((value, token) => (token, value / sum)).OrderByDescending(pair => pair.Item2)];
            Assert.Equal(-sorted.Sum(pair => pair.P * Math.Log(pair.P)), position.Entropy, 1e-4);
            Assert.Equal((sorted[0].Token, sorted[1].Token), (position.Likeliest, position.Second));
            Assert.Equal(sorted[0].P + sorted[1].P, position.TopTwo, 1e-4);
        }
    }

    [Fact]
    public void Summary_Sentences_CountPlacesFromTheirBeginning()
    {
        Tokenizer tokenizer = Bytes();
        // A decimal point inside a number ends no sentence; the full stop before a space and the line break do.
        int[] text = tokenizer.Encode("a1.5 b. c\nd", allowSpecial: false);
        Assert.Equal(11, text.Length);
        using TokenRowStore rows = TokenRowStore.Of([new TokenRow([text[0], .. text], 1, 1)]);
        PositionEntropy[] positions = [.. Enumerable.Range(1, 11).Select(t => new PositionEntropy(0, t, t <= 2 ? 0.05f : t, 1, 0.5f, 2, 0.25f))];
        var summary = new EntropySummary(positions, rows, tokenizer, limit: 0.1);
        // Sentences of 7 ("a1.5 b."), 3 (" c\n") and 1 ("d") tokens.
        Assert.Equal([3, 2, 2, 1, 1, 1, 1], summary.BySentencePlace.Select(place => place.Positions));
        Assert.Equal((0.05 + 8 + 11) / 3, summary.BySentencePlace[0].MeanEntropy, 1e-6);
        Assert.Equal(2 / 3.0, summary.BySentencePlace[0].Ambiguous, 12);
        Assert.Equal(2 / 11.0, summary.Deterministic, 12);
        Assert.Equal(9 / 11.0, summary.Ambiguous, 12);
        Assert.Equal(0.75, summary.TopTwo, 12);
        Assert.Equal(2, summary.Histogram[0]);
        Assert.Equal(11, summary.Histogram.Sum());
        Assert.Equal(("d", 11f, "aa1.5 b. c\n", ""), (Letter(summary.LeastCertain[0].Token), summary.LeastCertain[0].Position.Entropy, summary.LeastCertain[0].Before, summary.LeastCertain[0].After));
        Assert.Equal(0.05f, summary.MostCertain[0].Position.Entropy);
        Assert.Equal(summary.MostCertain.Count, summary.MostCertain.Select(one => one.Token).Distinct().Count());

        string Letter(int token) => tokenizer.Decode([token]);
    }

    [Fact]
    public void Diagnose_HostileText_IsNeverMarkup()
    {
        var model = new CliTextModel();
        string folder = model.At("diagnosis"), data = model.At("hostile.jsonl");
        File.WriteAllText(data, new JsonObject { ["prompt"] = "p", ["completion"] = "<script>alert(1)</script> \"><img src=x onerror=y>. Next\u0007 one." }.ToJsonString() + "\n");
        JsonElement json = CliRun.Of("diagnose", "--model", model.Folder, "--data", data, "--out", folder, "--json").Json;
        string page = File.ReadAllText(Path.Combine(folder, "report.html"));
        Assert.DoesNotContain("<script", page, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("<img", page, StringComparison.OrdinalIgnoreCase);
        Assert.Contains("class=\"strip\"", page, StringComparison.Ordinal);
        Assert.Equal(json.GetProperty("positions").GetInt32(), json.GetProperty("by_sentence_place").EnumerateArray().Sum(place => place.GetProperty("positions").GetInt32()));
        Assert.NotEmpty(json.GetProperty("least_certain").EnumerateArray());
        Assert.Equal(json.GetRawText(), File.ReadAllText(Path.Combine(folder, "diagnosis.json")).Trim());
        Assert.Contains("place in the sentence", CliRun.Of("diagnose", "--model", model.Folder, "--data", data).Out, StringComparison.Ordinal);
    }

    [Fact]
    public void Options_TreeAndPage_EncodeWhatTheModelSays()
    {
        var model = new CliTextModel();
        string ollm = model.NewOllm(), page = model.At("options.html");
        string[] args = ["options", "--model", model.Folder, "--ollm", ollm, "--prompt", "<script>alert(1)</script>", "--steps", "3", "--tree", "3", "--tree-nodes", "7"];
        CliRun run = CliRun.Of([.. args, "--html", page, "--json"]);
        Assert.True(run.Code == 0, run.Error);
        JsonElement tree = run.Json.GetProperty("tree");
        Assert.Equal(tree.GetProperty("nodes").GetInt32(), Nodes(tree));
        Assert.InRange(tree.GetProperty("nodes").GetInt32(), 3, 7);
        Assert.All(run.Json.GetProperty("steps").EnumerateArray(), step => Assert.InRange(step.GetProperty("distinct_tokens").GetInt32(), 1, 3));
        string html = File.ReadAllText(page);
        Assert.DoesNotContain("<script", html, StringComparison.OrdinalIgnoreCase);
        Assert.Contains("&lt;script&gt;", html, StringComparison.Ordinal);
        Assert.Contains("class=\"tree\"", html, StringComparison.Ordinal);
        Assert.Contains("└─ ", CliRun.Of(args).Out, StringComparison.Ordinal);
        CliRun.Of([.. args, "--tree", "25"]).AssertRefused("--tree");

        static int Nodes(JsonElement node) => node.GetProperty("children").EnumerateArray().Sum(child => 1 + Nodes(child));
    }

    /// <summary>A tokenizer whose tokens are single bytes.</summary>
    private static Tokenizer Bytes()
    {
        string folder = TestData.NewFolder();
        JsonObject file = TokenizerSamples.SmallFile();
        file["model"]!["merges"] = new JsonArray();
        File.WriteAllText(Path.Combine(folder, "tokenizer.json"), file.ToJsonString(), new UTF8Encoding(false));
        return Tokenizer.Load(folder);
    }
}
