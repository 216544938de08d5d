namespace OllmNative.Model;

/// <summary>The format of Qwen2 and Qwen2.5: each turn between &lt;|im_start|&gt;role and &lt;|im_end|&gt;.</summary>
/// <param name="defaultSystem">What is said as system when the conversation does not begin with a system turn; null says nothing.</param>
internal class ChatMl(string? defaultSystem) : ChatFormat
{
    /// <summary>What Qwen2.5 says when it is told nothing else.</summary>
    public const string Qwen25System = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.";

    private const string Close = "<|im_end|>\n";

    /// <inheritdoc/>
    public override string Name => "chatml";

    /// <inheritdoc/>
    public override IReadOnlyList<string> StopTokens { get; } = ["<|im_end|>", "<|endoftext|>"];

    private protected override void Write(ChatText text, IReadOnlyList<ChatMessage> messages, bool addGenerationPrompt)
    {
        if (messages.Count == 0) throw new OllmException("a conversation needs at least one message");
        if (defaultSystem is not null && messages[0].Role != "system") Open(text, "system").Mark(defaultSystem).Mark(Close);
        for (int i = 0; i < messages.Count; i++)
        {
            WriteContent(Open(text, messages[i].Role), messages, i);
            text.Mark(Close);
        }
        if (addGenerationPrompt) Open(text, "assistant");
    }

    /// <summary>Writes what stands between the marks of a message.</summary>
    private protected virtual void WriteContent(ChatText text, IReadOnlyList<ChatMessage> messages, int index) => text.Say(messages[index].Content);

    private static ChatText Open(ChatText text, string role) => text.Mark("<|im_start|>").Mark(role).Mark("\n");
}

/// <summary>
/// The format of Qwen3: no system prompt of its own, and the thinking of an assistant turn is kept only after the last question.
/// </summary>
internal sealed class ChatMlQwen3() : ChatMl(null)
{
    private const string OpenThinking = "<think>", CloseThinking = "</think>";

    /// <inheritdoc/>
    public override string Name => "chatml-qwen3";

    private protected override void WriteContent(ChatText text, IReadOnlyList<ChatMessage> messages, int index)
    {
        ChatMessage message = messages[index];
        string content = message.Content, thinking = "";
        if (message.Role == "assistant" && content.Contains(CloseThinking, StringComparison.Ordinal))
        {
            string[] parts = content.Split(CloseThinking);
            content = parts[^1].TrimStart('\n');
            thinking = parts[0].TrimEnd('\n').Split(OpenThinking)[^1].TrimStart('\n');
        }
        bool afterLastQuestion = message.Role == "assistant" && index > LastQuestion(messages);
        bool showsThinking = afterLastQuestion && (index == messages.Count - 1 || thinking.Length > 0);
        if (!showsThinking) text.Say(content);
        else text.Mark(OpenThinking).Mark("\n").Say(thinking.Trim('\n')).Mark("\n").Mark(CloseThinking).Mark("\n\n").Say(content.TrimStart('\n'));
    }

    /// <summary>Index of the last user turn that is no tool's answer; the last message when there is none.</summary>
    private static int LastQuestion(IReadOnlyList<ChatMessage> messages)
    {
        for (int i = messages.Count - 1; i >= 0; i--)
        {
            string content = messages[i].Content;
            bool toolAnswer = content.StartsWith("<tool_response>", StringComparison.Ordinal)
                && content.EndsWith("</tool_response>", StringComparison.Ordinal);
            if (messages[i].Role == "user" && !toolAnswer) return i;
        }
        return messages.Count - 1;
    }
}
