using System.ClientModel;
using System.ComponentModel;
using System.Diagnostics;
using System.Text;
using OllmNative.Cli.Server;
using OpenAI;
using OpenAI.Chat;
using OpenAI.Models;

namespace OllmNative.Tests;

/// <summary>The clients that people use, as they come from their registries.</summary>
public sealed class ServerClientTests
{
    private const string Key = "key of the test";

    [Fact]
    public async Task OpenAiDotNet_ChatWholeAndStreamed_GivesTheSameText()
    {
        await using ServerHost host = await ServerHost.StartAsync(new ServerSettings { ApiKey = Key });
        var options = new OpenAIClientOptions { Endpoint = new Uri(host.Address, "v1") };
        var client = new OpenAIClient(new ApiKeyCredential(Key), options);
        OpenAIModel model = (await client.GetOpenAIModelClient().GetModelsAsync()).Value.Single();
        Assert.Equal("tiny", model.Id);

        ChatClient chat = client.GetChatClient(model.Id);
        ChatMessage[] messages = [new UserChatMessage("3 + 4 * 2")];
        var settings = new ChatCompletionOptions { Temperature = 0, MaxOutputTokenCount = 60, IncludeLogProbabilities = true, TopLogProbabilityCount = 2 };
        ChatCompletion whole = await chat.CompleteChatAsync(messages, settings);
        string text = whole.Content[0].Text;
        Assert.NotEmpty(text);
        Assert.Equal(ChatMessageRole.Assistant, whole.Role);
        Assert.Equal(await host.TextAsync(), text);
        Assert.Equal(text, string.Concat(whole.ContentTokenLogProbabilities.Select(token => token.Token)));
        Assert.Equal(whole.Usage.TotalTokenCount, whole.Usage.InputTokenCount + whole.Usage.OutputTokenCount);

        var streamed = new StringBuilder();
        ChatFinishReason? reason = null;
        ChatTokenUsage? usage = null;
        await foreach (StreamingChatCompletionUpdate update in chat.CompleteChatStreamingAsync(messages, settings))
        {
            foreach (ChatMessageContentPart part in update.ContentUpdate) streamed.Append(part.Text);
            reason ??= update.FinishReason;
            usage ??= update.Usage;
        }
        Assert.Equal(text, streamed.ToString());
        Assert.Equal(whole.FinishReason, reason);
        Assert.Equal(whole.Usage.OutputTokenCount, usage!.OutputTokenCount);
    }

    [Fact]
    public async Task OpenAiDotNet_Refusals_CarryStatusAndMessage()
    {
        await using ServerHost host = await ServerHost.StartAsync(new ServerSettings { ApiKey = Key });
        var options = new OpenAIClientOptions { Endpoint = new Uri(host.Address, "v1"), RetryPolicy = new System.ClientModel.Primitives.ClientRetryPolicy(0) };
        ChatClient Client(string model, string key) => new OpenAIClient(new ApiKeyCredential(key), options).GetChatClient(model);
        ChatMessage[] messages = [new UserChatMessage("3 + 4 * 2")];

        ClientResultException unknown = await Assert.ThrowsAsync<ClientResultException>(() => Client("none", Key).CompleteChatAsync(messages));
        Assert.Equal(404, unknown.Status);
        Assert.Contains("'none' does not exist", unknown.Message, StringComparison.Ordinal);
        ClientResultException wrongKey = await Assert.ThrowsAsync<ClientResultException>(() => Client("tiny", "other").CompleteChatAsync(messages));
        Assert.Equal(401, wrongKey.Status);
        ClientResultException penalty = await Assert.ThrowsAsync<ClientResultException>(
            () => Client("tiny", Key).CompleteChatAsync(messages, new ChatCompletionOptions { PresencePenalty = 1 }));
        Assert.Equal(400, penalty.Status);
        Assert.Contains("presence_penalty", penalty.Message, StringComparison.Ordinal);
    }

    [SkippableFact]
    public async Task OpenAiNode_ItsOwnChecks_Pass()
    {
        string folder = Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "..", "..", "..", "server-clients"));
        Skip.IfNot(Directory.Exists(Path.Combine(folder, "node_modules", "openai")), "tests/server-clients has no packages: run npm ci there");
        await using ServerHost host = await ServerHost.StartAsync(new ServerSettings { ApiKey = Key });
        var start = new ProcessStartInfo("node", ["openai-client.mjs"]) { WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["OLLM_SERVER_URL"] = host.Address.ToString().TrimEnd('/');
        start.Environment["OLLM_SERVER_KEY"] = Key;
        using Process node = Start(start);
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(2));
        Task<string> output = node.StandardOutput.ReadToEndAsync(limit.Token), errors = node.StandardError.ReadToEndAsync(limit.Token);
        try
        {
            await node.WaitForExitAsync(limit.Token);
        }
        catch (OperationCanceledException)
        {
            node.Kill(entireProcessTree: true);
            Assert.Fail("the script did not end within two minutes");
        }
        Assert.True(node.ExitCode == 0, await errors);
        Assert.Equal("ok", (await output).Trim());
        Assert.Empty(host.Log);
    }

    private static Process Start(ProcessStartInfo start)
    {
        try
        {
            return Process.Start(start)!;
        }
        catch (Win32Exception)
        {
            Skip.If(true, "node is not on this machine");
            throw;
        }
    }
}
