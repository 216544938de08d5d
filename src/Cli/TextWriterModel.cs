using System.Diagnostics;
using System.Text;
using OllmNative.Model;
using OllmNative.Training;

namespace OllmNative.Cli;

/// <summary>A generated text.</summary>
/// <param name="Text">The text, up to a stop text.</param>
/// <param name="Tokens">Generated tokens, the end token included.</param>
/// <param name="Options">The option of each token; empty for the plain backbone.</param>
/// <param name="TokensPerSecond">Speed, the prompt's prefill included.</param>
/// <param name="FinishReason">stop or length.</param>
internal sealed record WrittenText(string Text, IReadOnlyList<int> Tokens, IReadOnlyList<int> Options, double TokensPerSecond, string FinishReason);

/// <summary>Writes text after a prompt, piece by piece.</summary>
internal sealed class TextWriterModel
{
    private readonly ModelSession _session;
    private readonly ChatFormat _format;
    private readonly SamplerOptions _sampler;

    /// <summary>Prepares for a model.</summary>
    /// <exception cref="OllmException">The folder has no tokenizer, or it is not this model's.</exception>
    public TextWriterModel(ModelSession session, ChatFormat format, SamplerOptions sampler)
    {
        (_session, _format, _sampler) = (session, format, sampler);
        StopTokens = new RowEncoder(session.Config, session.Tokenizer, format).StopTokens;
    }

    /// <summary>Who chooses options.</summary>
    public LatentSetting Latent { get; init; }

    /// <summary>Most tokens.</summary>
    public int MaxTokens { get; init; } = 256;

    /// <summary>Seed of every draw.</summary>
    public ulong Seed { get; init; }

    /// <summary>Texts that end the text.</summary>
    public IReadOnlyList<string> Stops { get; init; } = [];

    /// <summary>Tokens that end the text.</summary>
    public IReadOnlyList<int> StopTokens { get; }

    /// <summary>
    /// Token ids of a raw prompt; special tokens may be written out. The beginning-of-sentence token comes first where the
    /// tokenizer says so.
    /// </summary>
    public static int[] RawPrompt(Tokenizer tokenizer, string text)
    {
        int[] ids = tokenizer.Encode(text);
        return tokenizer is { AddBosToken: true, BosTokenId: { } bos } && (ids.Length == 0 || ids[0] != bos) ? [bos, .. ids] : ids;
    }

    /// <summary>Token ids of a conversation that the model is to go on with.</summary>
    public static int[] ChatPrompt(Tokenizer tokenizer, ChatFormat format, IReadOnlyList<ChatMessage> messages)
    {
        // Without a format a line break ends each message, as in the rows that such models are trained on.
        if (format.Name == "plain") messages = [.. messages.Select(message => message with { Content = message.Content + TinyWorld.Separator })];
        return tokenizer.Encode(format.Render(messages, addGenerationPrompt: true));
    }

    /// <summary>A message in a conversation of its own, after the system message when there is one.</summary>
    public static List<ChatMessage> Conversation(string? system, params ReadOnlySpan<string> user)
    {
        var messages = new List<ChatMessage>();
        if (system is not null) messages.Add(new ChatMessage("system", system));
        foreach (string content in user) messages.Add(new ChatMessage("user", content));
        return messages;
    }

    /// <summary><see cref="RawPrompt"/> with this model's tokenizer.</summary>
    public int[] RawPrompt(string text) => RawPrompt(_session.Tokenizer, text);

    /// <summary><see cref="ChatPrompt(Tokenizer, ChatFormat, IReadOnlyList{ChatMessage})"/> with this model's tokenizer and format.</summary>
    public int[] ChatPrompt(IReadOnlyList<ChatMessage> messages) => ChatPrompt(_session.Tokenizer, _format, messages);

    /// <summary>Writes after a prompt; <paramref name="onText"/> gets the text as it grows.</summary>
    /// <exception cref="OllmException">The prompt is empty or leaves no room in the context.</exception>
    public WrittenText Write(int[] prompt, Action<string> onText, CancellationToken cancellation)
    {
        int context = _session.Config.MaxPositions;
        if (prompt.Length == 0) throw new OllmException("the prompt is empty, expected at least one token");
        if (prompt.Length >= context) throw new OllmException($"the prompt has {prompt.Length} tokens and leaves no room for an answer: the model's context is {context}");
        int capacity = (int)Math.Min(context, (long)prompt.Length + MaxTokens);
        using var generator = new Generator(_session.Backbone, _session.Ollm, slots: 1, capacity, _session.Tokenizer.VocabularySize);
        var stop = new StopText(Stops);
        var text = new StringBuilder();
        StreamDecoder decoder = _session.Tokenizer.NewStreamDecoder(skipSpecial: true);
        void Show(string piece)
        {
            text.Append(piece);
            if (piece.Length > 0) onText(piece);
        }

        var request = new GenerationRequest
        {
            Prompt = prompt,
            MaxTokens = MaxTokens,
            StopTokens = StopTokens,
            Sampler = _sampler,
            Latent = Latent.Choice,
            ForcedOption = Latent.Option,
            Seed = Seed,
            OnToken = token =>
            {
                if (!StopTokens.Contains(token)) Show(stop.Append(decoder.Append(token)));
                return !stop.Reached;
            },
        };
        long start = Stopwatch.GetTimestamp();
        generator.Run([request], cancellation);
        Show(stop.Append(decoder.Flush()));
        Show(stop.Flush());
        double speed = request.Generated.Count / Stopwatch.GetElapsedTime(start).TotalSeconds;
        return new WrittenText(text.ToString(), request.Generated, request.Options, speed, request.Stopped || stop.Reached ? "stop" : "length");
    }
}
