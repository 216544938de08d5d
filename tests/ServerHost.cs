using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using OllmNative.Cli;
using OllmNative.Cli.Server;
using OllmNative.Model;

namespace OllmNative.Tests;

/// <summary>A server on a free port of this machine, with the tiny backbone and random OLLM modules whose options differ.</summary>
internal sealed class ServerHost : IAsyncDisposable
{
    public const int Options = 4;

    private readonly ModelSession _session;
    private readonly OllmServer _server;

    private ServerHost(ServerSettings settings, bool withOllm, string model, int threads)
    {
        if (withOllm) WriteOllm(model, Folder);
        _session = ModelSession.Open(model, withOllm ? Folder : null, threads: threads);
        settings = settings with { Context = Math.Min(settings.Context, _session.Config.MaxPositions) };
        Model = new ServedModel(_session, _session.ChatFormat, "tiny", withOllm ? Folder : null);
        _server = new OllmServer(Model, settings, line => Log.Add(line));
        Client = new HttpClient();
    }

    public string Folder { get; } = TestData.NewFolder();

    public ServedModel Model { get; }

    public HttpClient Client { get; }

    /// <summary>What the server said about failures of its own.</summary>
    public System.Collections.Concurrent.ConcurrentBag<string> Log { get; } = [];

    public Uri Address => new(_server.Address);

    /// <summary>The model of weights/tiny-qwen2.</summary>
    public static string TinyModel => Path.Combine(AppContext.BaseDirectory, "weights", "tiny-qwen2");

    public static async Task<ServerHost> StartAsync(ServerSettings? settings = null, bool withOllm = true, string? model = null, int threads = 0)
    {
        settings ??= new ServerSettings();
        var host = new ServerHost(settings, withOllm, model ?? TinyModel, threads);
        await host._server.StartAsync();
        host.Client.BaseAddress = host.Address;
        if (settings.ApiKey is not null) host.Client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", settings.ApiKey);
        return host;
    }

    public Task StopAsync() => _server.StopAsync();

    /// <summary>Posts JSON and returns status and answer.</summary>
    public async Task<(int Status, JsonElement Json)> PostAsync(string path, string json)
    {
        using var content = new StringContent(json, Encoding.UTF8, "application/json");
        using HttpResponseMessage response = await Client.PostAsync(path, content);
        return ((int)response.StatusCode, JsonDocument.Parse(await response.Content.ReadAsStringAsync()).RootElement);
    }

    /// <summary>A completion that must succeed.</summary>
    public async Task<JsonElement> CompleteAsync(string fields, string path = "/v1/completions")
    {
        (int status, JsonElement json) = await PostAsync(path, $$"""{"prompt": "3 + 4 * 2\n", {{fields}}}""");
        Assert.True(status == 200, json.ToString());
        return json;
    }

    /// <summary>The text of a greedy completion, which must always be the same.</summary>
    public async Task<string> TextAsync(string fields = "\"max_tokens\": 60, \"temperature\": 0") =>
        (await CompleteAsync(fields)).GetProperty("choices")[0].GetProperty("text").GetString()!;

    /// <summary>The data of each event of a streamed answer.</summary>
    public async Task<List<string>> StreamAsync(string path, string json)
    {
        using var content = new StringContent(json, Encoding.UTF8, "application/json");
        using HttpResponseMessage response = await Client.PostAsync(path, content);
        Assert.Equal("text/event-stream", response.Content.Headers.ContentType?.MediaType);
        string text = await response.Content.ReadAsStringAsync();
        Assert.EndsWith("\n\n", text, StringComparison.Ordinal);
        string[] events = text.Split("\n\n", StringSplitOptions.RemoveEmptyEntries);
        Assert.All(events, line => Assert.StartsWith("data: ", line, StringComparison.Ordinal));
        return [.. events.Select(line => line["data: ".Length..])];
    }

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await _server.DisposeAsync();
        _session.Dispose();
        Directory.Delete(Folder, recursive: true);
    }

    /// <summary>Fresh modules with a random <c>decoder.out</c> and policy, so that options lead to different texts.</summary>
    private static void WriteOllm(string model, string folder)
    {
        using ModelSession session = ModelSession.Open(model);
        using OllmModel ollm = OllmModel.Create(session.Backbone, Options, null, seed: 3);
        var random = new Random(5);
        DeviceView<float> weights = ollm.Parameters["decoder.out.weight"];
        weights.Upload([.. Enumerable.Range(0, (int)weights.Length).Select(_ => (float)(random.NextDouble() - 0.5) * 0.6f)]);
        ollm.Save(folder);
        File.WriteAllText(Path.Combine(folder, "metrics.jsonl"), "{\"step\":1,\"loss\":0.5}\n{\"step\":2,\"loss\":0.25}\n{\"step\":3,\"lo");
    }
}
