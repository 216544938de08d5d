using System.Net;
using System.Text.Json;

namespace OllmNative.Tests;

/// <summary>The server's endpoints as plain HTTP.</summary>
public sealed class ServerTests : IAsyncLifetime
{
    private const string Chat = "/v1/chat/completions", Text = "/v1/completions";

    private ServerHost _host = null!;

    public async Task InitializeAsync() => _host = await ServerHost.StartAsync();

    public async Task DisposeAsync()
    {
        Assert.Empty(_host.Log);
        await _host.DisposeAsync();
    }

    [Theory]
    [InlineData("/", "text/html")]
    [InlineData("/app.js", "text/javascript")]
    [InlineData("/app.css", "text/css")]
    public async Task Get_Page_ComesWithItsTypeAndSecurityHeaders(string path, string type)
    {
        using HttpResponseMessage response = await _host.Client.GetAsync(path);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal(type, response.Content.Headers.ContentType!.MediaType);
        Assert.StartsWith("default-src 'self'", string.Join(',', response.Headers.GetValues("Content-Security-Policy")), StringComparison.Ordinal);
        Assert.Equal("nosniff", response.Headers.GetValues("X-Content-Type-Options").Single());
        Assert.Equal("no-referrer", response.Headers.GetValues("Referrer-Policy").Single());
        Assert.False(response.Headers.Contains("Access-Control-Allow-Origin"));
    }

    [Fact]
    public async Task Get_Facts_DescribeTheModel()
    {
        JsonElement info = await GetAsync("/ollm/info"), models = await GetAsync("/v1/models"), metrics = await GetAsync("/ollm/metrics");
        Assert.Equal(ServerHost.Options, info.GetProperty("options").GetInt32());
        Assert.Equal(294, info.GetProperty("vocab_size").GetInt32());
        Assert.Equal(256, info.GetProperty("context").GetInt32());
        Assert.Equal("plain", info.GetProperty("chat_format").GetString());
        Assert.Equal("tiny", models.GetProperty("data")[0].GetProperty("id").GetString());
        Assert.Equal("tiny", (await GetAsync("/v1/models/tiny")).GetProperty("id").GetString());
        Assert.Equal(2, metrics.GetArrayLength()); // the third line is not complete
        Assert.Equal(0.25, metrics[1].GetProperty("loss").GetDouble());
        Assert.Equal("ok", (await GetAsync("/health")).GetProperty("status").GetString());
    }

    [Fact]
    public async Task Completion_Greedy_EqualsTheGenerateCommand()
    {
        string model = Path.Combine(AppContext.BaseDirectory, "weights", "tiny-qwen2");
        CliRun run = CliRun.Of("generate", "--model", model, "--ollm", _host.Folder, "--prompt", "3 + 4 * 2\n", "--max-tokens", "60", "--json");
        JsonElement answer = await _host.CompleteAsync("\"max_tokens\": 60, \"temperature\": 0");
        Assert.Equal(run.Json.GetProperty("text").GetString(), answer.GetProperty("choices")[0].GetProperty("text").GetString());
        Assert.Equal(run.Json.GetProperty("finish_reason").GetString(), answer.GetProperty("choices")[0].GetProperty("finish_reason").GetString());
        JsonElement usage = answer.GetProperty("usage");
        Assert.Equal(run.Json.GetProperty("tokens").GetArrayLength(), usage.GetProperty("completion_tokens").GetInt32());
        Assert.Equal(run.Json.GetProperty("prompt_tokens").GetInt32(), usage.GetProperty("prompt_tokens").GetInt32());
    }

    [Fact]
    public async Task Completion_StopTexts_EndBeforeThem()
    {
        string free = await _host.TextAsync(), stop = free.Substring(free.Length / 2, 2), first = free[..free.IndexOf(stop, StringComparison.Ordinal)];
        foreach (string form in (string[])["\"{0}\"", "[\"\\u0001never\", \"{0}\"]"])
        {
            JsonElement answer = await _host.CompleteAsync($"\"max_tokens\": 60, \"temperature\": 0, \"stop\": {form.Replace("{0}", JsonEncodedText.Encode(stop).ToString(), StringComparison.Ordinal)}");
            Assert.Equal(first, answer.GetProperty("choices")[0].GetProperty("text").GetString());
            Assert.Equal("stop", answer.GetProperty("choices")[0].GetProperty("finish_reason").GetString());
        }
    }

    [Fact]
    public async Task Completion_Limit_EndsWithLength()
    {
        JsonElement answer = await _host.CompleteAsync("\"max_tokens\": 3, \"temperature\": 0");
        Assert.Equal("length", answer.GetProperty("choices")[0].GetProperty("finish_reason").GetString());
        Assert.Equal(3, answer.GetProperty("usage").GetProperty("completion_tokens").GetInt32());
    }

    [Fact]
    public async Task Completion_Seed_DecidesTheSamplesOfAllAnswers()
    {
        const string fields = "\"max_tokens\": 30, \"temperature\": 1.5, \"n\": 3, \"ollm\": {\"latent\": \"sample\"}, \"seed\": ";
        string[] one = Texts(await _host.CompleteAsync(fields + "11")), same = Texts(await _host.CompleteAsync(fields + "11")), other = Texts(await _host.CompleteAsync(fields + "12"));
        Assert.Equal(3, one.Length);
        Assert.Equal(one, same);
        Assert.NotEqual(one, other);
        Assert.True(one.Distinct().Count() > 1, "answers of one request should differ");
    }

    [Fact]
    public async Task Completion_SeveralPrompts_AnswersEachInOrder()
    {
        (int status, JsonElement json) = await _host.PostAsync(Text, """{"prompt": ["3 + 4 * 2\n", "5 - 1 * 6\n"], "n": 2, "max_tokens": 40, "temperature": 0}""");
        Assert.Equal(200, status);
        string[] texts = Texts(json);
        Assert.Equal(4, texts.Length);
        Assert.Equal(await _host.TextAsync(), texts[0]);
        Assert.Equal(texts[0], texts[1]);
        Assert.Equal(texts[2], texts[3]);
        Assert.NotEqual(texts[0], texts[2]);
    }

    [Theory]
    [InlineData(Text)]
    [InlineData(Chat)]
    public async Task Stream_Pieces_JoinToTheWholeAnswer(string path)
    {
        const string body = """{"prompt": "3 + 4 * 2\n", "messages": [{"role": "user", "content": [{"type": "text", "text": "3 + 4 * 2"}]}], "max_tokens": 50, "temperature": 0""";
        JsonElement whole = (await _host.PostAsync(path, body + "}")).Json;
        List<string> events = await _host.StreamAsync(path, body + ", \"stream\": true, \"stream_options\": {\"include_usage\": true}}");
        Assert.Equal("[DONE]", events[^1]);
        JsonElement[] chunks = [.. events[..^1].Select(data => JsonDocument.Parse(data).RootElement)];
        JsonElement[] choices = [.. chunks[..^1].Select(chunk => chunk.GetProperty("choices")[0])];
        string joined = string.Concat(choices.Select(choice => path == Text
            ? choice.GetProperty("text").GetString()
            : choice.GetProperty("delta").TryGetProperty("content", out JsonElement content) ? content.GetString() : ""));
        JsonElement answer = whole.GetProperty("choices")[0];
        Assert.Equal(path == Text ? answer.GetProperty("text").GetString() : answer.GetProperty("message").GetProperty("content").GetString(), joined);
        Assert.Equal(answer.GetProperty("finish_reason").GetString(), choices[^1].GetProperty("finish_reason").GetString());
        Assert.Equal(whole.GetProperty("usage").ToString(), chunks[^1].GetProperty("usage").ToString());
        Assert.Single(chunks.Select(chunk => chunk.GetProperty("id").GetString()).Distinct());
        Assert.All(choices[..^1], choice => Assert.Equal(JsonValueKind.Null, choice.GetProperty("finish_reason").ValueKind));
    }

    [Fact]
    public async Task LogProbabilities_Greedy_ChosenIsTheLikeliest()
    {
        JsonElement text = await _host.CompleteAsync("\"max_tokens\": 8, \"temperature\": 0, \"logprobs\": 3");
        JsonElement logprobs = text.GetProperty("choices")[0].GetProperty("logprobs");
        Assert.Equal(8, logprobs.GetProperty("tokens").GetArrayLength());
        Assert.Equal(3, logprobs.GetProperty("top_logprobs")[0].EnumerateObject().Count());
        JsonElement chat = await _host.CompleteAsync("\"messages\": [{\"role\": \"user\", \"content\": \"3 + 4 * 2\"}], \"max_tokens\": 8, \"temperature\": 0, \"logprobs\": true, \"top_logprobs\": 2", Chat);
        JsonElement[] content = [.. chat.GetProperty("choices")[0].GetProperty("logprobs").GetProperty("content").EnumerateArray()];
        Assert.Equal(8, content.Length);
        for (int i = 0; i < 8; i++)
        {
            double chosen = content[i].GetProperty("logprob").GetDouble();
            Assert.InRange(chosen, -10, 0);
            Assert.Equal(chosen, content[i].GetProperty("top_logprobs")[0].GetProperty("logprob").GetDouble());
            Assert.Equal(logprobs.GetProperty("tokens")[i].GetString(), content[i].GetProperty("token").GetString());
            Assert.Equal(logprobs.GetProperty("token_logprobs")[i].GetDouble(), chosen, 1e-4);
        }
    }

    [Fact]
    public async Task Options_ReturnedTokens_AreConsistent()
    {
        JsonElement answer = await _host.CompleteAsync("\"max_tokens\": 12, \"temperature\": 0, \"ollm\": {\"return_options\": true}");
        JsonElement[] tokens = [.. answer.GetProperty("choices")[0].GetProperty("ollm").GetProperty("tokens").EnumerateArray()];
        Assert.Equal(answer.GetProperty("usage").GetProperty("completion_tokens").GetInt32(), tokens.Length);
        foreach (JsonElement token in tokens)
        {
            double[] policy = [.. token.GetProperty("policy").EnumerateArray().Select(p => p.GetDouble())];
            Assert.Equal(ServerHost.Options, policy.Length);
            Assert.Equal(1, policy.Sum(), 1e-4);
            int latent = token.GetProperty("latent").GetInt32();
            Assert.Equal(Array.IndexOf(policy, policy.Max()), latent);
            JsonElement options = token.GetProperty("options");
            Assert.Equal(ServerHost.Options, options.GetArrayLength());
            Assert.Equal(token.GetProperty("token").GetInt32(), options[latent].GetProperty("token").GetInt32());
            Assert.Equal(token.GetProperty("text").GetString(), options[latent].GetProperty("text").GetString());
            Assert.InRange(token.GetProperty("entropy").GetDouble(), 0, Math.Log(294));
            Assert.All(options.EnumerateArray(), option => Assert.InRange(option.GetProperty("probability").GetDouble(), 1.0 / 294, 1));
        }
        Assert.Equal(await _host.TextAsync("\"max_tokens\": 12, \"temperature\": 0"), Texts(answer)[0]);
    }

    [Fact]
    public async Task Options_Prefix_ForksWhereItDiffers()
    {
        const string common = "\"max_tokens\": 16, \"temperature\": 0, \"ollm\": {\"return_options\": true, ";
        JsonElement[] trunk = Tokens(await _host.CompleteAsync(common + "\"latent\": \"policy\"}"));
        int[] chosen = [.. trunk.Take(5).Select(token => token.GetProperty("latent").GetInt32())];
        // Another option that says another token.
        int fork = Enumerable.Range(0, 5).First(t => Other(trunk[t]) >= 0);
        int[] prefix = [.. chosen[..fork], Other(trunk[fork])];
        JsonElement[] branch = Tokens(await _host.CompleteAsync($"{common}\"options_prefix\": [{string.Join(',', prefix)}]}}"));
        Assert.Equal(prefix, branch.Take(fork + 1).Select(token => token.GetProperty("latent").GetInt32()));
        for (int t = 0; t < fork; t++) Assert.Equal(trunk[t].GetProperty("token").GetInt32(), branch[t].GetProperty("token").GetInt32());
        Assert.Equal(trunk[fork].GetProperty("options")[prefix[^1]].GetProperty("token").GetInt32(), branch[fork].GetProperty("token").GetInt32());
        for (int t = fork + 1; t < branch.Length; t++)
        {
            double[] policy = [.. branch[t].GetProperty("policy").EnumerateArray().Select(p => p.GetDouble())];
            Assert.Equal(Array.IndexOf(policy, policy.Max()), branch[t].GetProperty("latent").GetInt32());
        }

        static int Other(JsonElement token)
        {
            int own = token.GetProperty("token").GetInt32();
            return token.GetProperty("options").EnumerateArray().ToList().FindIndex(option => option.GetProperty("token").GetInt32() != own);
        }
    }

    [Theory]
    [InlineData("\"latent\": \"force:2\"", 2)]
    [InlineData("\"latent\": \"force\", \"option\": 1", 1)]
    [InlineData("\"latent\": \"backbone\"", null)]
    public async Task Options_Latent_IsTheOneThatWasAsked(string latent, int? option)
    {
        JsonElement[] tokens = Tokens(await _host.CompleteAsync($"\"max_tokens\": 6, \"temperature\": 0, \"ollm\": {{\"return_options\": true, {latent}}}"));
        Assert.All(tokens, token => Assert.Equal(option, token.GetProperty("latent").ValueKind == JsonValueKind.Null ? null : token.GetProperty("latent").GetInt32()));
    }

    [Theory]
    [InlineData(Text, """{"prompt": ""}""", 400, "prompt")]
    [InlineData(Text, "{}", 400, "prompt")]
    [InlineData(Text, """{"prompt": [1, 9999]}""", 400, "prompt[1]")]
    [InlineData(Text, """{"prompt": "a", "max_tokens": -1}""", 400, "max_tokens")]
    [InlineData(Text, """{"prompt": "a", "max_tokens": 100000}""", 400, "max_tokens")]
    [InlineData(Text, """{"prompt": "a", "temperature": -1}""", 400, "temperature")]
    [InlineData(Text, """{"prompt": "a", "temperature": "hot"}""", 400, "temperature")]
    [InlineData(Text, """{"prompt": "a", "presence_penalty": 0.5}""", 400, "presence_penalty")]
    [InlineData(Text, """{"prompt": "a", "frequency_penalty": 1}""", 400, "frequency_penalty")]
    [InlineData(Text, """{"prompt": "a", "stop": ["1", "2", "3", "4", "5"]}""", 400, "stop")]
    [InlineData(Text, """{"prompt": "a", "stop": [""]}""", 400, "stop")]
    [InlineData(Text, """{"prompt": "a", "n": 0}""", 400, "n")]
    [InlineData(Text, """{"prompt": "a", "stream": 1}""", 400, "stream")]
    [InlineData(Text, """{"prompt": "a", "model": "other"}""", 404, "model")]
    [InlineData(Text, """{"prompt": "a", "ollm": {"latent": "force:4"}}""", 400, "ollm.latent")]
    [InlineData(Text, """{"prompt": "a", "ollm": {"latent": "best"}}""", 400, "ollm.latent")]
    [InlineData(Text, """{"prompt": "a", "ollm": {"options_prefix": [0, 4]}}""", 400, "ollm.options_prefix[1]")]
    [InlineData(Chat, """{"messages": []}""", 400, "messages")]
    [InlineData(Chat, """{"messages": [{"role": "robot", "content": "a"}]}""", 400, "messages[0].role")]
    [InlineData(Chat, """{"messages": [{"role": "user"}]}""", 400, "messages[0].content")]
    [InlineData(Chat, """{"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}""", 400, "messages[0].content[0]")]
    [InlineData(Chat, """{"messages": [{"role": "user", "content": "a"}], "tools": [{}]}""", 400, "tools")]
    [InlineData(Chat, """{"messages": [{"role": "user", "content": "a"}], "top_logprobs": 2}""", 400, "top_logprobs")]
    [InlineData(Text, "{\"\\ud800\": 1}", 400, null)]
    [InlineData(Text, "[1]", 400, null)]
    [InlineData(Text, "{\"prompt\": ", 400, null)]
    public async Task BadRequest_AnyField_IsRefusedByName(string path, string body, int status, string? parameter)
    {
        (int got, JsonElement json) = await _host.PostAsync(path, body);
        JsonElement error = json.GetProperty("error");
        Assert.Equal(status, got);
        Assert.Equal(parameter, error.GetProperty("param").GetString());
        Assert.Equal("invalid_request_error", error.GetProperty("type").GetString());
        Assert.NotEmpty(error.GetProperty("message").GetString()!);
    }

    [Fact]
    public async Task Prompt_LongerThanTheContext_IsRefused()
    {
        (int status, JsonElement json) = await _host.PostAsync(Text, $$"""{"prompt": "{{new string('7', 300)}}"}""");
        Assert.Equal(400, status);
        Assert.Equal("context_length_exceeded", json.GetProperty("error").GetProperty("code").GetString());
    }

    [Theory]
    [InlineData("GET", "/v1/chat/completions", 405)]
    [InlineData("DELETE", "/v1/models", 405)]
    [InlineData("GET", "/v1/nothing", 404)]
    [InlineData("GET", "/v1/models/other", 404)]
    [InlineData("GET", "/../ollm.json", 404)]
    public async Task Route_UnknownOrWrongMethod_IsRefusedInJson(string method, string path, int status)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), path);
        using HttpResponseMessage response = await _host.Client.SendAsync(request);
        Assert.Equal(status, (int)response.StatusCode);
        Assert.NotEmpty(JsonDocument.Parse(await response.Content.ReadAsStringAsync()).RootElement.GetProperty("error").GetProperty("message").GetString()!);
        if (status == 405) Assert.NotEmpty(response.Content.Headers.Allow);
    }

    [Theory]
    [InlineData("Origin", "https://elsewhere.example", 403)]
    [InlineData("Host", "elsewhere.example", 403)]
    public async Task Request_OfAnotherPage_IsRefused(string header, string value, int status)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/v1/models");
        request.Headers.TryAddWithoutValidation(header, value);
        using HttpResponseMessage response = await _host.Client.SendAsync(request);
        Assert.Equal(status, (int)response.StatusCode);
    }

    [Fact]
    public async Task Metrics_AfterRequests_CountThem()
    {
        await _host.CompleteAsync("\"max_tokens\": 3, \"temperature\": 0");
        await _host.CompleteAsync("\"max_tokens\": 3, \"temperature\": 0");
        await _host.PostAsync(Text, "{}");
        string text = await _host.Client.GetStringAsync("/metrics");
        Assert.Contains("ollm_requests_total{route=\"/v1/completions\",status=\"200\"} 2\n", text, StringComparison.Ordinal);
        Assert.Contains("ollm_requests_total{route=\"/v1/completions\",status=\"400\"} 1\n", text, StringComparison.Ordinal);
        Assert.Contains("ollm_generated_tokens_total 6\n", text, StringComparison.Ordinal);
        Assert.Contains("ollm_prompt_tokens_total 16\n", text, StringComparison.Ordinal);
        Assert.Contains("ollm_prompt_tokens_reused_total 7\n", text, StringComparison.Ordinal);
        Assert.Contains("ollm_request_seconds_count{route=\"/v1/completions\"} 3\n", text, StringComparison.Ordinal);
    }

    private async Task<JsonElement> GetAsync(string path) => JsonDocument.Parse(await _host.Client.GetStringAsync(path)).RootElement;

    private static string[] Texts(JsonElement answer) => [.. answer.GetProperty("choices").EnumerateArray().Select(choice => choice.GetProperty("text").GetString()!)];

    private static JsonElement[] Tokens(JsonElement answer) => [.. answer.GetProperty("choices")[0].GetProperty("ollm").GetProperty("tokens").EnumerateArray()];
}
