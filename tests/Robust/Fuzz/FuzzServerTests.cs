using System.Net.Http.Headers;
using System.Text;
using OllmNative.Cli.Server;
using OllmNative.Model;

namespace OllmNative.Tests;

/// <summary>Mutated request bodies against a running server: an answer or a refusal of the client's fault, and the server goes on.</summary>
public class FuzzServerTests
{
    [Fact]
    public async Task Requests_Mutated_NeverFailTheServer()
    {
        await using ServerHost host = await ServerHost.StartAsync(new ServerSettings { MaxTokensLimit = 4, Context = 64 });
        byte[][] corpus =
        [
            Encoding.UTF8.GetBytes("""{"prompt": "1 + 2", "max_tokens": 2, "temperature": 0.5, "top_p": 0.9, "n": 1, "stop": ["\n"], "seed": 5, "logprobs": 2}"""),
            Encoding.UTF8.GetBytes("""{"prompt": [1, 2, 3], "max_tokens": 1, "ollm": {"latent": "force:1", "options_prefix": [0, 1], "return_options": true}}"""),
            Encoding.UTF8.GetBytes("""{"prompt": ["1", "2"], "max_tokens": 2, "n": 2, "ignore_eos": true, "min_p": 0.1, "top_k": 3, "repetition_penalty": 1.1, "ollm": {"latent": "force", "option": 2}}"""),
            Encoding.UTF8.GetBytes("""{"prompt": "", "max_tokens": 1, "stream": true, "stream_options": {"include_usage": true}, "ollm": {"prompt_tokens": [4, 5], "latent": "sample", "return_options": true}}"""),
            Encoding.UTF8.GetBytes("""{"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "q"}], "max_completion_tokens": 2, "ollm": {"latent": "policy", "options_prefix": [3]}}"""),
            Encoding.UTF8.GetBytes("""{"messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}], "max_tokens": 2, "stream": false, "logprobs": true, "top_logprobs": 1}"""),
        ];
        FuzzRun.Of("http", corpus, bytes =>
        {
            bool chat = bytes.AsSpan().IndexOf("messages"u8) >= 0;
            using var content = new ByteArrayContent(bytes);
            content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
            using HttpResponseMessage response = host.Client.PostAsync(chat ? "/v1/chat/completions" : "/v1/completions", content).GetAwaiter().GetResult();
            string answer = response.Content.ReadAsStringAsync().GetAwaiter().GetResult();
            if ((int)response.StatusCode >= 500 && (int)response.StatusCode != 503) throw new InvalidOperationException($"{response.StatusCode}: {answer}");
            if (!response.IsSuccessStatusCode) throw new OllmException(answer[..Math.Min(200, answer.Length)]);
        });
        Assert.Empty(host.Log);
        Assert.NotEmpty(await host.TextAsync("\"max_tokens\": 3, \"temperature\": 0"));
    }
}
