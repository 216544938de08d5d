using System.Text.Json;
using OllmNative.Model;

namespace OllmNative.Tests;

/// <summary>ollm generate, chat and options.</summary>
public class CliGenerateTests
{
    [Fact]
    public void Generate_SameSeed_GivesTheSameText()
    {
        var model = new CliTextModel();
        JsonElement first = Generate(model, "--temp", "1", "--seed", "3").Json, second = Generate(model, "--temp", "1", "--seed", "3").Json;
        Assert.Equal(Ids(first, "tokens"), Ids(second, "tokens"));
        Assert.Equal(first.GetProperty("text").GetString(), second.GetProperty("text").GetString());
        Assert.NotEqual(Ids(first, "tokens"), Ids(Generate(model, "--temp", "1", "--seed", "4").Json, "tokens"));
        Assert.Empty(Ids(first, "options"));
    }

    [Fact]
    public void Generate_NoFlags_IsGreedyAndStreamsTheTextOfJson()
    {
        var model = new CliTextModel();
        JsonElement json = Generate(model).Json;
        Assert.Equal(Ids(json, "tokens"), Ids(Generate(model, "--seed", "9").Json, "tokens"));
        CliRun people = CliRun.With("1 + 1", "generate", "--model", model.Folder, "--max-tokens", "20");
        Assert.Equal(json.GetProperty("text").GetString() + "\n", people.Out);
        Assert.Contains("tokens/s", people.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Generate_StopText_EndsBeforeIt()
    {
        var model = new CliTextModel();
        string text = Generate(model, "--temp", "1").Json.GetProperty("text").GetString()!;
        string stop = text.Substring(text.Length / 2, 2);
        JsonElement json = Generate(model, "--temp", "1", "--stop", "never in it", "--stop", stop).Json;
        Assert.Equal(text[..text.IndexOf(stop, StringComparison.Ordinal)], json.GetProperty("text").GetString());
        Assert.Equal("stop", json.GetProperty("finish_reason").GetString());
    }

    [Fact]
    public void Generate_WithOllm_TellsTheOptions()
    {
        var model = new CliTextModel();
        string ollm = model.NewOllm();
        JsonElement forced = Generate(model, "--ollm", ollm, "--latent", "force:2").Json;
        Assert.All(Ids(forced, "options"), option => Assert.Equal(2, option));
        Assert.Equal(Ids(forced, "tokens").Length, Ids(forced, "options").Length);
        Assert.True(Ids(Generate(model, "--ollm", ollm, "--latent", "sample", "--seed", "1").Json, "options").Distinct().Count() > 1);
        Assert.Equal(Ids(Generate(model).Json, "tokens"), Ids(Generate(model, "--ollm", ollm, "--latent", "backbone").Json, "tokens"));
        Generate(model, "--ollm", ollm, "--latent", "force:3").AssertRefused("force:3", "0 to 2");
        Generate(model, "--latent", "policy").AssertRefused("--ollm");
        Generate(model, "--latent", "force:x").AssertRefused("force:k");
    }

    [Fact]
    public void Generate_Chat_WrapsTheMessage()
    {
        var model = new CliTextModel();
        // The plain format ends a message with a line break.
        Assert.Equal(5, CliRun.With("ab c\n", "generate", "--model", model.Folder, "--chat", "--max-tokens", "1", "--json").Json.GetProperty("prompt_tokens").GetInt32());
        Assert.Equal(5, CliRun.With("ab c\n", "generate", "--model", model.Folder, "--max-tokens", "1", "--json").Json.GetProperty("prompt_tokens").GetInt32());
        Assert.Equal(5, CliRun.Of("generate", "--model", model.Folder, "--chat", "--prompt", "ab c", "--max-tokens", "1", "--json").Json.GetProperty("prompt_tokens").GetInt32());
        JsonElement chatml = CliRun.Of("generate", "--model", model.Folder, "--chat", "--system", "s", "--chat-format", "chatml", "--prompt", "a", "--max-tokens", "1", "--json").Json;
        Assert.True(chatml.GetProperty("prompt_tokens").GetInt32() > 20);
        CliRun.Of("generate", "--model", model.Folder, "--chat", "--raw", "--prompt", "a").AssertRefused("exclude");
    }

    [Fact]
    public void Generate_EmptyOrLongPrompt_IsRefused()
    {
        var model = new CliTextModel();
        CliRun.Of("generate", "--model", model.Folder, "--prompt", "").AssertRefused("prompt is empty");
        CliRun.Of("generate", "--model", model.Folder, "--prompt", new string('x', 128)).AssertRefused("128 tokens", "context is 128");
        Assert.Equal(1, CliRun.Of("generate", "--model", model.Folder, "--prompt", new string('x', 127), "--json").Json.GetProperty("tokens").GetArrayLength());
    }

    [Fact]
    public void Chat_PipedLines_AnswersEachAndKnowsItsCommands()
    {
        var model = new CliTextModel();
        string ollm = model.NewOllm();
        string[] args = ["chat", "--model", model.Folder, "--ollm", ollm, "--max-tokens", "5"];
        JsonElement turns = CliRun.With("ab\n\ncd\n/reset\nab\n/exit\nef\n", [.. args, "--json"]).Json.GetProperty("turns");
        Assert.Equal(["ab", "cd", "ab"], turns.EnumerateArray().Select(turn => turn.GetProperty("user").GetString()));
        // After /reset the same message gets the same answer: nothing is left of the turns before.
        Assert.Equal(Ids(turns[0], "tokens"), Ids(turns[2], "tokens"));
        CliRun people = CliRun.With("/options\nab\n/options\n/what\n", args);
        Assert.Equal(0, people.Code);
        Assert.Contains("there is no answer yet", people.Error, StringComparison.Ordinal);
        Assert.Contains("/exit", people.Error, StringComparison.Ordinal);
        Assert.Equal(Ids(turns[0], "options").Length, people.Out.TrimEnd('\n').Split('\n')[^1].Split(' ').Length);
    }

    [Fact]
    public void Options_Json_HasEveryOptionOfEachStep()
    {
        var model = new CliTextModel();
        string ollm = model.NewOllm(options: 4), page = model.At("page.html");
        JsonElement json = CliRun.Of("options", "--model", model.Folder, "--ollm", ollm, "--prompt", "ab", "--steps", "3", "--html", page, "--json").Json;
        JsonElement[] steps = [.. json.GetProperty("steps").EnumerateArray()];
        Assert.Equal(3, steps.Length);
        foreach (JsonElement step in steps)
        {
            JsonElement[] options = [.. step.GetProperty("options").EnumerateArray()];
            Assert.Equal(4, options.Length);
            Assert.Equal(1, options.Sum(option => option.GetProperty("policy_probability").GetDouble()), 1e-5);
            Assert.All(options, option => Assert.InRange(option.GetProperty("probability").GetDouble(), 1.0 / 320, 1));
            Assert.Equal(step.GetProperty("token").GetInt32(), options[step.GetProperty("chosen").GetInt32()].GetProperty("token").GetInt32());
        }
        Assert.Contains("What each option would say", File.ReadAllText(page), StringComparison.Ordinal);
        CliRun people = CliRun.Of("options", "--model", model.Folder, "--ollm", ollm, "--prompt", "ab", "--steps", "2");
        Assert.Equal(2, people.Out.Split('\n').Count(line => line.Contains('*', StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData("policy")]
    [InlineData("sample")]
    [InlineData("force:1")]
    public void Options_AnyLatent_FollowsGenerate(string latent)
    {
        var model = new CliTextModel();
        string ollm = model.NewOllm();
        JsonElement written = Generate(model, "--ollm", ollm, "--latent", latent, "--seed", "11").Json;
        JsonElement shown = CliRun.Of("options", "--model", model.Folder, "--ollm", ollm, "--prompt", "1 + 1", "--latent", latent, "--steps", "20", "--seed", "11", "--json").Json;
        Assert.Equal(Ids(written, "tokens"), shown.GetProperty("steps").EnumerateArray().Select(step => step.GetProperty("token").GetInt32()));
        Assert.Equal(Ids(written, "options"), shown.GetProperty("steps").EnumerateArray().Select(step => step.GetProperty("chosen").GetInt32()));
    }

    [Theory]
    [InlineData("one two three", "one ", "two")]
    [InlineData("aab", "", "aab")]
    [InlineData("aaab", "a", "aab")]
    [InlineData("abc", "abc", "abd")]
    [InlineData("xyab", "xyab", "abc")]
    [InlineData("a\nb", "a", "zzz", "\n")]
    public void StopText_AnyPieces_CutsAtTheText(string text, string expected, params string[] stops)
    {
        for (int size = 1; size <= text.Length; size++)
        {
            var stop = new StopText(stops);
            string shown = string.Concat(text.Chunk(size).Select(piece => stop.Append(new string(piece)))) + stop.Flush();
            Assert.Equal(expected, shown);
            Assert.Equal(expected != text, stop.Reached);
        }
    }

    private static CliRun Generate(CliTextModel model, params string[] more) =>
        CliRun.Of(["generate", "--model", model.Folder, "--prompt", "1 + 1", "--max-tokens", "20", "--json", .. more]);

    private static int[] Ids(JsonElement json, string property) => [.. json.GetProperty(property).EnumerateArray().Select(id => id.GetInt32())];
}
