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
    private readonly SamplerOptions _sampler;

    /// <summary>Prepares for a model.</summary>
    /// <exception cref="OllmException">The folder has no tokenizer, or it is not this model's.</exception>
    public TextWriterModel(ModelSession session, ChatFormat format, SamplerOptions sampler)
    {
        (_session, Format, _sampler) = (session, format, sampler);
        StopTokens = new RowEncoder(session.Config, session.Tokenizer, format).StopTokens;
    }

    /// <summary>How conversations are written.</summary>
    public ChatFormat Format { get; }

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
