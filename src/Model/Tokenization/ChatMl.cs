using System.Text;

namespace OllmNative.Model;

/// <summary>The format of Qwen2 and Qwen2.5: each turn between &lt;|im_start|&gt;role and &lt;|im_end|&gt;.</summary>
/// <param name="defaultSystem">What is said as system when the conversation does not begin with a system turn; null says nothing.</param>
internal class ChatMl(string? defaultSystem) : ChatFormat
{
    /// <summary>What Qwen2.5 says when it is told nothing else.</summary>
    public const string Qwen25System = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.";

    /// <inheritdoc/>
    public override string Name => "chatml";

    /// <inheritdoc/>
    public override IReadOnlyList<string> StopTokens { get; } = ["<|im_end|>", "<|endoftext|>"];

    private protected override void Write(StringBuilder text, IReadOnlyList<ChatMessage> messages, bool addGenerationPrompt)
    {
        if (messages.Count == 0) throw new OllmException("a conversation needs at least one message");
        if (defaultSystem is not null && messages[0].Role != "system") WriteTurn(text, "system", defaultSystem);
        for (int i = 0; i < messages.Count; i++) WriteTurn(text, messages[i].Role, ContentOf(messages, i));
        if (addGenerationPrompt) text.Append("<|im_start|>assistant\n");
    }

    /// <summary>What is written for a message.</summary>
    private protected virtual string ContentOf(IReadOnlyList<ChatMessage> messages, int index) => messages[index].Content;

    private static void WriteTurn(StringBuilder text, string role, string content) =>
        text.Append("<|im_start|>").Append(role).Append('\n').Append(content).Append("<|im_end|>\n");
}

/// <summary>
/// The format of Qwen3: no system prompt of its own, and the thinking of an assistant turn is kept only after the last question.
/// </summary>
internal sealed class ChatMlQwen3() : ChatMl(null)
{
    private const string Open = "<think>", Close = "</think>";

    /// <inheritdoc/>
    public override string Name => "chatml-qwen3";

    private protected override string ContentOf(IReadOnlyList<ChatMessage> messages, int index)
    {
        ChatMessage message = messages[index];
        if (message.Role != "assistant") return message.Content;

        string content = message.Content, thinking = "";
        if (content.Contains(Close, StringComparison.Ordinal))
        {
            string[] parts = content.Split(Close);
            content = parts[^1].TrimStart('\n');
            thinking = parts[0].TrimEnd('\n').Split(Open)[^1].TrimStart('\n');
        }
        bool afterLastQuestion = index > LastQuestion(messages);
        bool showsThinking = afterLastQuestion && (index == messages.Count - 1 || thinking.Length > 0);
        return showsThinking ? $"{Open}\n{thinking.Trim('\n')}\n{Close}\n\n{content.TrimStart('\n')}" : content;
    }

    /// <summary>Index of the last user turn that is no tool's answer; the last message when there is none.</summary>
    private static int LastQuestion(IReadOnlyList<ChatMessage> messages)
    {
        for (int i = messages.Count - 1; i >= 0; i--)
        {
            string content = messages[i].Content;
            bool toolAnswer = content.StartsWith("<tool_response>", StringComparison.Ordinal) && content.EndsWith("</tool_response>", StringComparison.Ordinal);
            if (messages[i].Role == "user" && !toolAnswer) return i;
        }
        return messages.Count - 1;
    }
}
