namespace OllmNative.Model;

/// <summary>
/// The format of DeepSeek-R1 and its distills: it prints the beginning-of-sentence token itself, puts the last system message first,
/// and keeps of the assistant's earlier turns only what follows the thinking.
/// </summary>
/// <param name="opensThinking">Whether the generation prompt opens the thinking, as later templates do.</param>
internal sealed class DeepSeekR1(bool opensThinking) : ChatFormat
{
    private const string Begin = "<｜begin▁of▁sentence｜>", End = "<｜end▁of▁sentence｜>", Assistant = "<｜Assistant｜>";

    /// <inheritdoc/>
    public override string Name => "deepseek-r1";

    /// <inheritdoc/>
    public override IReadOnlyList<string> StopTokens { get; } = [End];

    private protected override void Write(ChatText text, IReadOnlyList<ChatMessage> messages, bool addGenerationPrompt)
    {
        text.Mark(Begin).Say(messages.LastOrDefault(message => message.Role == "system")?.Content);
        foreach (ChatMessage message in messages)
        {
            if (message.Role == "user") text.Mark("<｜User｜>").Say(message.Content);
            if (message.Role == "assistant") text.Mark(Assistant).Say(message.Content.Split("</think>")[^1]).Mark(End);
        }
        if (addGenerationPrompt) text.Mark(Assistant).Mark(opensThinking ? "<think>\n" : "");
    }
}
