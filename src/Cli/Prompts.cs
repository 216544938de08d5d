using OllmNative.Model;
using OllmNative.Training;

namespace OllmNative.Cli;

/// <summary>What people write, as token ids.</summary>
internal static class Prompts
{
    /// <summary>
    /// A text as it stands; special tokens may be written out. The beginning-of-sentence token comes first where the
    /// tokenizer says so.
    /// </summary>
    public static int[] Raw(Tokenizer tokenizer, string text) => tokenizer.EncodeBeginning(text);

    /// <summary>A conversation that the model is to go on with. Special tokens in the messages are text.</summary>
    public static int[] Chat(Tokenizer tokenizer, ChatFormat format, IReadOnlyList<ChatMessage> messages)
    {
        // Without a format a line break ends each message, as in the rows that such models are trained on.
        if (format.Name == "plain") messages = [.. messages.Select(message => message with { Content = message.Content + TinyWorld.Separator })];
        return format.Encode(tokenizer, messages, addGenerationPrompt: true);
    }

    /// <summary>The beginning of a conversation: the system message, when there is one, and what users said.</summary>
    public static List<ChatMessage> Conversation(string? system, params ReadOnlySpan<string> user)
    {
        var messages = new List<ChatMessage>();
        if (system is not null) messages.Add(new ChatMessage("system", system));
        foreach (string content in user) messages.Add(new ChatMessage("user", content));
        return messages;
    }
}
