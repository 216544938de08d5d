using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using OllmNative.Cli.Server;

namespace OllmNative.Tests;

/// <summary>Clients that misbehave, and too many of them: the server goes on, and nobody waits for an answer that never comes.</summary>
public sealed class ServerFaultTests
{
    private const string Text = "/v1/completions";

    [Fact]
    public async Task Load_WithFaults_LeavesTheServerAsItWas()
    {
        await using ServerHost host = await ServerHost.StartAsync(new ServerSettings { Slots = 4 });
        string expected = await host.TextAsync();
        Task[] faults =
        [
            .. Enumerable.Range(0, 6).Select(_ => LeaveAsync(host)),
            .. Enumerable.Range(0, 6).Select(i => SendAsync(host, Garbage(i), 400)),
            .. Enumerable.Range(0, 2).Select(_ => SendAsync(host, new byte[10 << 20], 413)),
            SendAsync(host, [.. "{\"prompt\": \""u8, 0xC3, 0x28, .. "\"}"u8], 400),
            .. Enumerable.Range(0, 2).Select(_ => ReadSlowlyAsync(host, expected)),
            .. Enumerable.Range(0, 12).Select(_ => AskAsync(host, expected)),
        ];
        await Task.WhenAll(faults).WaitAsync(TimeSpan.FromMinutes(2));
        Assert.Equal(expected, await host.TextAsync());
        Assert.Empty(host.Log);
        await UntilIdleAsync(host);
    }

    [Fact]
    public async Task Queue_Full_RefusesWith429AndLosesNothing()
    {
        await using ServerHost host = await ServerHost.StartAsync(new ServerSettings { Slots = 1, Queue = 2 });
        string expected = await host.TextAsync();
        (int Status, JsonElement Json)[] answers = await Task.WhenAll(Enumerable.Range(0, 12).Select(_ =>
            host.PostAsync(Text, """{"prompt": "3 + 4 * 2\n", "max_tokens": 60, "temperature": 0, "stop": []}""")));
        Assert.All(answers, answer => Assert.True(answer.Status is 200 or 429, answer.Json.ToString()));
        foreach ((int status, JsonElement json) in answers)
        {
            if (status == 200) Assert.Equal(expected, json.GetProperty("choices")[0].GetProperty("text").GetString());
            else Assert.Equal("queue_full", json.GetProperty("error").GetProperty("code").GetString());
        }
        Assert.InRange(answers.Count(answer => answer.Status == 200), 3, 12);
        Assert.Equal(expected, await host.TextAsync());
    }

    [Fact]
    public async Task TooManyAnswers_OneRequest_IsRefusedAsBadRequest()
    {
        await using ServerHost host = await ServerHost.StartAsync(new ServerSettings { Slots = 1, Queue = 2 });
        Assert.Equal(400, (await host.PostAsync(Text, """{"prompt": "3", "n": 4}""")).Status);
        Assert.Equal(200, (await host.PostAsync(Text, """{"prompt": "3", "n": 3, "max_tokens": 2}""")).Status);
    }

    [Fact]
    public async Task Timeout_LongAnswers_EndWith504()
    {
        await using ServerHost host = await ServerHost.StartAsync(new ServerSettings { Timeout = TimeSpan.FromMilliseconds(1) });
        (int status, JsonElement json) = await host.PostAsync(Text, """{"prompt": "3 + 4 * 2\n", "n": 40, "max_tokens": 200, "ollm": {"return_options": true}}""");
        Assert.Equal(504, status);
        Assert.Equal("timeout", json.GetProperty("error").GetProperty("code").GetString());
        await UntilIdleAsync(host);
    }

    [Fact]
    public async Task Stop_WhileAnswering_LetsTheAnswerFinish()
    {
        await using ServerHost host = await ServerHost.StartAsync();
        using var socket = new TcpClient();
        NetworkStream stream = await PostRawAsync(
            host, socket, """{"prompt": "3 + 4 * 2\n", "max_tokens": 240, "temperature": 0, "ignore_eos": true, "stream": true, "stream_options": {"include_usage": true}}""");
        var first = new byte[100];
        await stream.ReadExactlyAsync(first);
        Task stop = host.StopAsync();
        using var reader = new StreamReader(stream);
        string rest = await reader.ReadToEndAsync();
        Assert.Contains("\"completion_tokens\":240", rest, StringComparison.Ordinal);
        Assert.Contains("data: [DONE]", rest, StringComparison.Ordinal);
        await stop.WaitAsync(TimeSpan.FromSeconds(30));
        using var late = new HttpClient();
        await Assert.ThrowsAnyAsync<HttpRequestException>(() => late.GetAsync(host.Address));
    }

    [Fact]
    public async Task Stop_GraceIsOver_EndsTheAnswerWithAnError()
    {
        await using ServerHost host = await ServerHost.StartAsync(new ServerSettings { Grace = TimeSpan.Zero });
        Task<(int Status, JsonElement Json)> answer = host.PostAsync(Text, """{"prompt": "3 + 4 * 2\n", "n": 60, "max_tokens": 240, "ignore_eos": true}""");
        while ((await host.Client.GetStringAsync("/metrics")).Contains("ollm_active_sequences 0\n", StringComparison.Ordinal)) await Task.Delay(1);
        await host.StopAsync().WaitAsync(TimeSpan.FromSeconds(30));
        (int status, JsonElement json) = await answer;
        Assert.Equal(503, status);
        Assert.Equal("stopping", json.GetProperty("error").GetProperty("code").GetString());
    }

    [Fact]
    public async Task Client_CancelsAStream_ItsAnswersLeaveTheBatch()
    {
        const int Answers = 60;
        await using ServerHost host = await ServerHost.StartAsync(new ServerSettings { Slots = 1 });
        string body = $$"""{"prompt": "3 + 4 * 2\n", "n": {{Answers}}, "max_tokens": 240, "ignore_eos": true, "stream": true}""";
        // Without this the client reads on for a while after it was told to stop, in order to keep the connection.
        using (var client = new HttpClient(new SocketsHttpHandler { MaxResponseDrainSize = 0 }) { BaseAddress = host.Client.BaseAddress })
        using (var request = new HttpRequestMessage(HttpMethod.Post, Text) { Content = new StringContent(body, Encoding.UTF8, "application/json") })
        using (HttpResponseMessage response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead))
        using (var reader = new StreamReader(await response.Content.ReadAsStreamAsync()))
        {
            Assert.StartsWith("data: {", await reader.ReadLineAsync(), StringComparison.Ordinal);
        }
        await UntilIdleAsync(host);
        await host.CompleteAsync("\"max_tokens\": 1");
        string metrics = await host.Client.GetStringAsync("/metrics");
        Assert.Contains("status=\"499\"} 1\n", metrics, StringComparison.Ordinal);
        // Each answer that was begun, the last request's too, took the prompt but for its last token from the answer before it.
        const string Reused = "\nollm_prompt_tokens_reused_total ";
        string count = metrics[(metrics.IndexOf(Reused, StringComparison.Ordinal) + Reused.Length)..].Split('\n')[0];
        Assert.InRange(int.Parse(count, CultureInfo.InvariantCulture), 7, 7 * (Answers - 1));
    }

    [Fact]
    public async Task Command_OpenAddressWithoutKey_IsRefused() =>
        await Task.Run(() => CliRun.Of("serve", "--model", Tiny, "--host", "0.0.0.0", "--port", "0").AssertRefused("--host 0.0.0.0", "--api-key"));

    [Theory]
    [InlineData("--host", "nowhere")]
    [InlineData("--cors", "example.org")]
    [InlineData("--port", "70000")]
    [InlineData("--api-key", "")]
    public void Command_BadValue_IsRefused(string option, string value) => CliRun.Of("serve", "--model", Tiny, option, value).AssertRefused(option);

    [Fact]
    public async Task Command_CtrlC_StopsWith130()
    {
        using var interrupt = new CancellationTokenSource();
        using var stderr = new ListeningWriter();
        using var stdout = new StringWriter();
        Task<int> run = Task.Run(() => OllmNative.Cli.OllmCli.Run(
            ["serve", "--model", Tiny, "--port", "0", "--api-key", "k"], stdout, stderr, TextReader.Null, cancellation: interrupt.Token));
        Uri address = await stderr.Address.WaitAsync(TimeSpan.FromMinutes(1));
        using var client = new HttpClient { BaseAddress = address };
        Assert.Equal(HttpStatusCode.OK, (await client.GetAsync("/health")).StatusCode);
        Assert.Equal(HttpStatusCode.Unauthorized, (await client.GetAsync("/v1/models")).StatusCode);
        client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", "k");
        Assert.Equal(HttpStatusCode.OK, (await client.GetAsync("/v1/models")).StatusCode);
        await interrupt.CancelAsync();
        Assert.Equal(130, await run.WaitAsync(TimeSpan.FromSeconds(30)));
        Assert.Empty(stdout.ToString());
    }

    [Fact]
    public async Task Cors_AllowedOrigin_GetsItsHeadersAndNobodyElse()
    {
        await using ServerHost host = await ServerHost.StartAsync(new ServerSettings { CorsOrigin = "https://page.example" });
        using HttpResponseMessage allowed = await AskFromAsync("https://page.example", HttpMethod.Get), preflight = await AskFromAsync("https://page.example", HttpMethod.Options);
        using HttpResponseMessage other = await AskFromAsync("https://other.example", HttpMethod.Get);
        Assert.Equal("https://page.example", allowed.Headers.GetValues("Access-Control-Allow-Origin").Single());
        Assert.Equal(HttpStatusCode.NoContent, preflight.StatusCode);
        Assert.Contains("Authorization", preflight.Headers.GetValues("Access-Control-Allow-Headers").Single(), StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.Forbidden, other.StatusCode);
        Assert.False(other.Headers.Contains("Access-Control-Allow-Origin"));

        Task<HttpResponseMessage> AskFromAsync(string origin, HttpMethod method)
        {
            var request = new HttpRequestMessage(method, "/v1/models");
            request.Headers.Add("Origin", origin);
            return host.Client.SendAsync(request);
        }
    }

    private static string Tiny => Path.Combine(AppContext.BaseDirectory, "weights", "tiny-qwen2");

    private static byte[] Garbage(int i)
    {
        var bytes = new byte[200 * (i + 1)];
        new Random(i).NextBytes(bytes);
        return bytes;
    }

    private static async Task AskAsync(ServerHost host, string expected) => Assert.Equal(expected, await host.TextAsync());

    /// <summary>Sends a body and expects a status; a server that closes on a huge body before it was read is as good.</summary>
    private static async Task SendAsync(ServerHost host, byte[] body, int status)
    {
        try
        {
            using var content = new ByteArrayContent(body);
            using HttpResponseMessage response = await host.Client.PostAsync(Text, content);
            Assert.Equal(status, (int)response.StatusCode);
            Assert.Equal("application/json", response.Content.Headers.ContentType!.MediaType);
        }
        catch (HttpRequestException) when (status == 413)
        {
        }
    }

    /// <summary>Bytes that no client library would send: none reaches a model, none makes the server fail.</summary>
    [Theory]
    [InlineData("Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF\r\nabc", 400)]
    [InlineData("Transfer-Encoding: chunked\r\n\r\nxyz\r\n", 400)]
    [InlineData("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n", 400)]
    [InlineData("Content-Length: 5\r\nContent-Length: 50\r\n\r\n12345", 400)]
    [InlineData("Content-Length: -5\r\n\r\n12345", 400)]
    [InlineData("Content-Length: 99999999999999\r\n\r\n{", 413)]
    [InlineData("Host: evil.example\r\nContent-Length: 2\r\n\r\n{}", 400)]
    [InlineData("Origin: null\r\nContent-Length: 2\r\n\r\n{}", 403)]
    public async Task Request_RawBytesThatDisagree_AreRefused(string rest, int status)
    {
        await using ServerHost host = await ServerHost.StartAsync(withOllm: false);
        using var socket = new TcpClient();
        await socket.ConnectAsync(IPAddress.Loopback, host.Address.Port);
        NetworkStream stream = socket.GetStream();
        await stream.WriteAsync(Encoding.ASCII.GetBytes($"POST {Text} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n{rest}"));
        using var reader = new StreamReader(stream, Encoding.ASCII);
        string answer = await reader.ReadToEndAsync().WaitAsync(TimeSpan.FromSeconds(20));
        Assert.StartsWith($"HTTP/1.1 {status} ", answer, StringComparison.Ordinal);
        Assert.Single(answer.Split("HTTP/1.1 ")[1..]); // What came behind the body was not taken for a request.
        Assert.Empty(host.Log);
    }

    /// <summary>Leaves after the first bytes of a long stream.</summary>
    private static async Task LeaveAsync(ServerHost host)
    {
        using var socket = new TcpClient();
        NetworkStream stream = await PostRawAsync(host, socket, """{"prompt": "3 + 4 * 2\n", "max_tokens": 240, "stream": true, "temperature": 2, "ollm": {"return_options": true}}""");
        await stream.ReadExactlyAsync(new byte[100]);
        socket.Client.LingerState = new LingerOption(true, 0); // a reset, not a polite close
    }

    /// <summary>Reads a few bytes at a time, and still gets the whole answer.</summary>
    private static async Task ReadSlowlyAsync(ServerHost host, string expected)
    {
        using var socket = new TcpClient { ReceiveBufferSize = 1024 };
        NetworkStream stream = await PostRawAsync(host, socket, """{"prompt": "3 + 4 * 2\n", "max_tokens": 60, "temperature": 0, "stream": true}""");
        var text = new StringBuilder();
        var buffer = new byte[300];
        for (int read; (read = await stream.ReadAsync(buffer)) > 0;)
        {
            text.Append(Encoding.UTF8.GetString(buffer, 0, read));
            await Task.Delay(5);
        }
        Assert.Contains("data: [DONE]", text.ToString(), StringComparison.Ordinal);
        // HTTP 1.0 has no chunks: each piece of the answer stands in a line of its own.
        string joined = string.Concat(text.ToString().Split('\n').Where(line => line.StartsWith("data: {", StringComparison.Ordinal))
            .Select(line => JsonDocument.Parse(line[6..]).RootElement.GetProperty("choices")[0].GetProperty("text").GetString()));
        Assert.Equal(expected, joined);
    }

    private static async Task<NetworkStream> PostRawAsync(ServerHost host, TcpClient socket, string body)
    {
        await socket.ConnectAsync(IPAddress.Loopback, host.Address.Port);
        NetworkStream stream = socket.GetStream();
        string head = string.Create(CultureInfo.InvariantCulture, $"POST {Text} HTTP/1.0\r\nHost: 127.0.0.1\r\nContent-Length: {body.Length}\r\n\r\n");
        await stream.WriteAsync(Encoding.ASCII.GetBytes(head + body));
        return stream;
    }

    /// <summary>Waits until nothing is decoded any more: what clients left behind must end by itself.</summary>
    private static async Task UntilIdleAsync(ServerHost host)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while (true)
        {
            string metrics = await host.Client.GetStringAsync("/metrics", limit.Token);
            if (metrics.Contains("ollm_active_sequences 0\n", StringComparison.Ordinal) && metrics.Contains("ollm_queue_length 0\n", StringComparison.Ordinal)) return;
            await Task.Delay(20, limit.Token);
        }
    }

    /// <summary>stderr of the command, watched for the address that it prints.</summary>
    private sealed class ListeningWriter : StringWriter
    {
        private readonly TaskCompletionSource<Uri> _address = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task<Uri> Address => _address.Task;

        public override void WriteLine(string? value)
        {
            base.WriteLine(value);
            const string mark = "listening on ";
            int at = value?.IndexOf(mark, StringComparison.Ordinal) ?? -1;
            if (at >= 0) _address.TrySetResult(new Uri(value![(at + mark.Length)..].Split(' ')[0]));
        }
    }
}
