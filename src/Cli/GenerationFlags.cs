using System.CommandLine;
using OllmNative.Model;

namespace OllmNative.Cli;

/// <summary>The options of the commands that write text: how tokens are picked and where the text ends.</summary>
internal sealed class GenerationFlags
{
    private readonly Option<LatentSetting?> _latent = LatentSetting.Flag();
    private readonly Option<int> _maxTokens = CommonOptions.Number("--max-tokens", "Most tokens to generate, as far as the context allows.", 256, 1, int.MaxValue);
    private readonly Option<float?> _temperature = CommonOptions.OptionalNumber(
        "--temp", "Temperature; 0 takes the likeliest token. 0 by default, 1 when --top-k, --top-p or --min-p is given.", 0f, 999f);
    private readonly Option<int?> _topK = CommonOptions.OptionalNumber("--top-k", "Sample from the k likeliest tokens; 0 keeps all.", 0, int.MaxValue);
    private readonly Option<float?> _topP = CommonOptions.OptionalNumber("--top-p", "Sample from the likeliest tokens that reach this probability together.", float.Epsilon, 1f);
    private readonly Option<float?> _minP = CommonOptions.OptionalNumber("--min-p", "Sample from tokens at least this many times as likely as the likeliest.", 0f, 1f);
    private readonly Option<float> _repetitionPenalty = CommonOptions.Number("--repetition-penalty", "Makes generated tokens less likely to come again; 1 is off.", 1f, 0.01f, 100f);
    private readonly Option<ulong> _seed = CommonOptions.Seed("Names the random draws; the same seed gives the same text.");
    private readonly Option<string[]> _stop = new("--stop") { Description = "End before this text; may be given several times.", HelpName = "TEXT" };
    private readonly Option<string?> _system = new("--system") { Description = "The system message of a conversation.", HelpName = "TEXT" };
    private readonly Option<string> _chatFormat = CommonOptions.ChatFormat();

    /// <summary>Adds the options to a command.</summary>
    public GenerationFlags(Command command)
    {
        Option[] all = [_latent, _maxTokens, _temperature, _topK, _topP, _minP, _repetitionPenalty, _seed, _stop, _system, _chatFormat];
        foreach (Option option in all) command.Add(option);
    }

    /// <summary>The system message that was given.</summary>
    public string? System(ParseResult parsed) => parsed.GetValue(_system);

    /// <summary>A writer that does what the command line says.</summary>
    /// <exception cref="OllmException">The OLLM, tokenizer or a value does not fit.</exception>
    public TextWriterModel Open(ParseResult parsed, ModelSession session)
    {
        string[] stops = parsed.GetValue(_stop) ?? [];
        if (stops.Contains("")) throw new OllmException("--stop: the text is empty, expected at least one character");
        bool cuts = parsed.GetValue(_topK) is not null || parsed.GetValue(_topP) is not null || parsed.GetValue(_minP) is not null;
        var sampler = new SamplerOptions
        {
            Temperature = parsed.GetValue(_temperature) ?? (cuts ? 1 : 0),
            TopK = parsed.GetValue(_topK) ?? 0,
            TopP = parsed.GetValue(_topP) ?? 1,
            MinP = parsed.GetValue(_minP) ?? 0,
            RepetitionPenalty = parsed.GetValue(_repetitionPenalty),
        };
        sampler.Validate();
        return new TextWriterModel(session, CommonOptions.ChatFormatOf(parsed.GetValue(_chatFormat)!, session), sampler)
        {
            Latent = LatentSetting.Resolve(parsed.GetValue(_latent), session.Ollm),
            MaxTokens = parsed.GetValue(_maxTokens),
            Seed = parsed.GetValue(_seed),
            Stops = stops,
        };
    }
}
