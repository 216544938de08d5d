using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace OllmNative.Model;

/// <summary>
/// How a conversation is written as one text for a model. Special tokens mean themselves where the format writes them; in what somebody
/// said they are text, so nobody can end a turn from within a message. Added tokens that are not special, as &lt;think&gt;, are tokens everywhere.
/// Formats: <c>chatml</c> (Qwen2, Qwen2.5), <c>chatml-qwen3</c>, <c>deepseek-r1</c>, <c>plain</c>.
/// </summary>
public abstract class ChatFormat
{
    /// <summary>The names that <see cref="Parse"/> knows.</summary>
    public static IReadOnlyList<string> Names { get; } = ["chatml", "chatml-qwen3", "deepseek-r1", "plain"];

    /// <summary>The name that <see cref="Parse"/> takes.</summary>
    public abstract string Name { get; }

    /// <summary>Tokens, as text, that end the assistant's turn; the model's own end-of-sentence token ends it too.</summary>
    public abstract IReadOnlyList<string> StopTokens { get; }

    /// <summary>Writes a conversation as the model was trained to read it.</summary>
    /// <param name="messages">The turns, oldest first.</param>
    /// <param name="addGenerationPrompt">Whether the text ends where the assistant is to go on.</param>
    /// <exception cref="OllmException">A role is not system, user or assistant, or there is no message and the format needs one.</exception>
    public string Render(IReadOnlyList<ChatMessage> messages, bool addGenerationPrompt) => Compose(messages, addGenerationPrompt).ToString();

    /// <summary>The ids of a conversation, as the model was trained to read it.</summary>
    /// <param name="tokenizer">The model's own.</param>
    /// <param name="messages">The turns, oldest first. Special tokens in their contents are text.</param>
    /// <param name="addGenerationPrompt">Whether the ids end where the assistant is to go on.</param>
    /// <exception cref="OllmException">A role is not system, user or assistant, or there is no message and the format needs one.</exception>
    public int[] Encode(Tokenizer tokenizer, IReadOnlyList<ChatMessage> messages, bool addGenerationPrompt)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        return Compose(messages, addGenerationPrompt).Encode(tokenizer);
    }

    private ChatText Compose(IReadOnlyList<ChatMessage> messages, bool addGenerationPrompt)
    {
        ArgumentNullException.ThrowIfNull(messages);
        for (int i = 0; i < messages.Count; i++)
        {
            if (messages[i].Role is not ("system" or "user" or "assistant"))
                throw new OllmException($"message {i + 1} has the role \"{messages[i].Role}\"; expected system, user or assistant");
        }
        var text = new ChatText();
        Write(text, messages, addGenerationPrompt);
        return text;
    }

    /// <summary>The format of a name.</summary>
    /// <exception cref="OllmException">No format has this name.</exception>
    public static ChatFormat Parse(string name) => name switch
    {
        "chatml" => new ChatMl(ChatMl.Qwen25System),
        "chatml-qwen3" => new ChatMlQwen3(),
        "deepseek-r1" => new DeepSeekR1(opensThinking: true),
        "plain" => new PlainChat(),
        _ => throw new OllmException($"chat format \"{name}\" is not known; expected one of {string.Join(", ", Names)}"),
    };

    /// <summary>
    /// The format of a model folder, from chat_template.jinja, or chat_template in tokenizer_config.json; plain when there is
    /// neither or the template is of no known kind.
    /// </summary>
    /// <exception cref="OllmException">tokenizer_config.json is malformed.</exception>
    public static ChatFormat Detect(string modelFolder)
    {
        ArgumentNullException.ThrowIfNull(modelFolder);
        string template = ReadTemplate(modelFolder);
        if (template.Contains("<｜Assistant｜>", StringComparison.Ordinal))
            return new DeepSeekR1(opensThinking: template.Contains("<｜Assistant｜><think>", StringComparison.Ordinal));
        if (!template.Contains("<|im_start|>", StringComparison.Ordinal)) return new PlainChat();
        if (template.Contains("reasoning_content", StringComparison.Ordinal)) return new ChatMlQwen3();

        // The system prompt that the template prints by itself, which differs between Qwen2, Qwen2.5 and their relatives.
        Match system = Regex.Match(template, @"<\|im_start\|>system\\n([^'""]+?)<\|im_end\|>", RegexOptions.CultureInvariant);
        return new ChatMl(system.Success ? Unescape(system.Groups[1].Value) : null);
    }

    /// <summary>Appends the conversation; roles have been checked.</summary>
    private protected abstract void Write(ChatText text, IReadOnlyList<ChatMessage> messages, bool addGenerationPrompt);

    private static string ReadTemplate(string folder)
    {
        string file = Path.Combine(folder, "chat_template.jinja");
        if (File.Exists(file)) return Encoding.UTF8.GetString(JsonFiles.ReadBytes(file).Span);

        string path = Path.Combine(folder, "tokenizer_config.json");
        if (JsonFiles.FindObject(path) is not { } config || !config.TryGetProperty("chat_template", out JsonElement template)) return "";
        // Some files hold several templates by name.
        if (template.ValueKind == JsonValueKind.Array)
            template = template.EnumerateArray().FirstOrDefault(entry => Member(entry, "name") == "default");
        return template.ValueKind == JsonValueKind.String ? JsonFiles.Text(template, path, "chat_template") : Member(template, "template") ?? "";

        string? Member(JsonElement element, string key) =>
            element.ValueKind == JsonValueKind.Object && element.TryGetProperty(key, out JsonElement value) && value.ValueKind == JsonValueKind.String
                ? JsonFiles.Text(value, path, $"chat_template.{key}")
                : null;
    }

    private static string Unescape(string jinja) =>
        Regex.Replace(jinja, @"\\(.)", m => m.Groups[1].Value == "n" ? "\n" : m.Groups[1].Value, RegexOptions.CultureInvariant);
}
