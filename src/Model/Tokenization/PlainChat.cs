namespace OllmNative.Model;

/// <summary>No format: the contents one after the other, for models that were not trained on conversations.</summary>
internal sealed class PlainChat : ChatFormat
{
    /// <inheritdoc/>
    public override string Name => "plain";

    /// <inheritdoc/>
    public override IReadOnlyList<string> StopTokens { get; } = [];

    private protected override void Write(ChatText text, IReadOnlyList<ChatMessage> messages, bool addGenerationPrompt)
    {
        foreach (ChatMessage message in messages) text.Say(message.Content);
    }
}
