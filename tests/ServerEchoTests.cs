using System.Text.Json;
using OllmNative.Cli.Server;

namespace OllmNative.Tests;

/// <summary><c>echo</c> and <c>max_tokens: 0</c> of the completions API: what scoring programs ask a server for.</summary>
public sealed class ServerEchoTests : IAsyncLifetime
{
    private const string Text = "/v1/completions", Prompt = "3 + 4 * 2\n";
    private ServerHost _host = null!;

    public async Task InitializeAsync() => _host = await ServerHost.StartAsync(new ServerSettings { Slots = 3 });

    public async Task DisposeAsync() => await _host.DisposeAsync();

    /// <summary>Tokens that were generated with scores get the same scores when they come as a prompt.</summary>
    [Theory]
    [InlineData("policy")]
    [InlineData("backbone")]
    [InlineData("force:2")]
    public async Task Echo_GeneratedTokensAsPrompt_HaveTheScoresOfTheirGeneration(string latent)
    {
        int[] prompt = [.. Enumerable.Range(0, 30).Select(i => (i * 37 + 11) % 256)];
        string options = $$"""{"latent": "{{latent}}", "return_options": true, "prompt_tokens": """;
        JsonElement made = await ChoiceAsync($$$"""{"max_tokens": 20, "temperature": 1, "seed": 5, "ignore_eos": true, "logprobs": 2, "ollm": {{{options}}}[{{{string.Join(',', prompt)}}}]}}""");
        int[] tokens = [.. prompt, .. made.GetProperty("ollm").GetProperty("tokens").EnumerateArray().Select(token => token.GetProperty("token").GetInt32())];
        JsonElement scored = await ChoiceAsync($$$"""{"max_tokens": 0, "echo": true, "logprobs": 2, "ollm": {{{options}}}[{{{string.Join(',', tokens)}}}]}}""");

        Assert.Equal("length", scored.GetProperty("finish_reason").GetString());
        Assert.Equal(_host.Model.Tokenizer.Decode(tokens), scored.GetProperty("text").GetString());
        JsonElement[] all = Values(scored, "token_logprobs"), generated = Values(made, "token_logprobs");
        Assert.Equal(50, all.Length);
        Assert.Equal(20, generated.Length);
        Assert.Equal(JsonValueKind.Null, all[0].ValueKind);
        Assert.Equal(JsonValueKind.Null, Values(scored, "top_logprobs")[0].ValueKind);
        for (int i = 0; i < 20; i++)
        {
            Assert.Equal(generated[i].GetDouble(), all[30 + i].GetDouble(), 2e-4);
            Assert.Equal(Values(made, "tokens")[i].GetString(), Values(scored, "tokens")[30 + i].GetString());
        }
        Assert.All(all[1..], score => Assert.InRange(score.GetDouble(), -100, 0));
    }

    [Fact]
    public async Task Echo_WithAnAnswer_IsPromptAndAnswer()
    {
        string answer = await _host.TextAsync("\"max_tokens\": 12, \"temperature\": 0");
        JsonElement plain = await _host.CompleteAsync("\"max_tokens\": 12, \"temperature\": 0, \"echo\": true");
        Assert.Equal(Prompt + answer, plain.GetProperty("choices")[0].GetProperty("text").GetString());
        Assert.Equal(JsonValueKind.Null, plain.GetProperty("choices")[0].GetProperty("logprobs").ValueKind);
        JsonElement scored = await _host.CompleteAsync("\"max_tokens\": 12, \"temperature\": 0, \"echo\": true, \"logprobs\": 0, \"stop\": \"+\"");
        JsonElement choice = scored.GetProperty("choices")[0];
        Assert.StartsWith(Prompt, choice.GetProperty("text").GetString(), StringComparison.Ordinal); // A stop text in the prompt ends nothing.
        string[] tokens = [.. Values(choice, "tokens").Select(token => token.GetString()!)];
        int[] offsets = [.. Values(choice, "text_offset").Select(offset => offset.GetInt32())];
        for (int i = 0; i < tokens.Length; i++) Assert.Equal(string.Concat(tokens[..i]).Length, offsets[i]);
        Assert.Equal(scored.GetProperty("usage").GetProperty("total_tokens").GetInt32(), tokens.Length);
    }

    [Fact]
    public async Task Echo_Streamed_BeginsWithThePrompt()
    {
        List<string> events = await _host.StreamAsync(Text, """{"prompt": "3 + 4 * 2\n", "max_tokens": 6, "temperature": 0, "echo": true, "logprobs": 1, "stream": true}""");
        JsonElement[] choices = [.. events[..^1].Select(text => JsonDocument.Parse(text).RootElement.GetProperty("choices")[0])];
        JsonElement whole = (await _host.CompleteAsync("\"max_tokens\": 6, \"temperature\": 0, \"echo\": true, \"logprobs\": 1")).GetProperty("choices")[0];
        Assert.Equal(Prompt, choices[0].GetProperty("text").GetString());
        Assert.Equal(whole.GetProperty("text").GetString(), string.Concat(choices.Select(choice => choice.GetProperty("text").GetString())));
        JsonElement[] pieces = [.. choices.Where(choice => choice.GetProperty("logprobs").ValueKind == JsonValueKind.Object)];
        Assert.Equal(Values(whole, "text_offset").Select(offset => offset.GetInt32()), pieces.SelectMany(piece => Values(piece, "text_offset")).Select(offset => offset.GetInt32()));
    }

    [Fact]
    public async Task MaxTokensZero_WithoutEcho_IsAnEmptyAnswerToEachPrompt()
    {
        (int status, JsonElement json) = await _host.PostAsync(Text, """{"prompt": ["3 + 4 * 2\n", "5\n"], "n": 2, "max_tokens": 0, "logprobs": 1}""");
        Assert.Equal(200, status);
        Assert.Equal(0, json.GetProperty("usage").GetProperty("completion_tokens").GetInt32());
        JsonElement[] choices = [.. json.GetProperty("choices").EnumerateArray()];
        Assert.Equal(4, choices.Length);
        Assert.All(choices, choice => Assert.Equal(("", "length", 0), (choice.GetProperty("text").GetString(), choice.GetProperty("finish_reason").GetString(), Values(choice, "tokens").Length)));
    }

    [Theory]
    [InlineData(Text, "\"max_tokens\": -1", "max_tokens")]
    [InlineData(Text, "\"echo\": \"yes\"", "echo")]
    [InlineData("/v1/chat/completions", "\"messages\": [{\"role\": \"user\", \"content\": \"3\"}], \"max_tokens\": 0", "max_tokens")]
    [InlineData("/v1/chat/completions", "\"messages\": [{\"role\": \"user\", \"content\": \"3\"}], \"echo\": true", "echo")]
    public async Task Request_NotPartOfTheApi_IsRefused(string path, string fields, string name)
    {
        (int status, JsonElement json) = await _host.PostAsync(path, $$"""{"prompt": "3", {{fields}}}""");
        Assert.Equal(400, status);
        Assert.Equal(name, json.GetProperty("error").GetProperty("param").GetString());
    }

    private static JsonElement[] Values(JsonElement choice, string name) => [.. choice.GetProperty("logprobs").GetProperty(name).EnumerateArray()];

    private async Task<JsonElement> ChoiceAsync(string json)
    {
        (int status, JsonElement answer) = await _host.PostAsync(Text, json);
        Assert.True(status == 200, answer.ToString());
        return answer.GetProperty("choices")[0];
    }
}
