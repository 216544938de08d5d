namespace OllmNative.Model;

/// <summary>Who chooses the option of each token.</summary>
public enum LatentChoice
{
    /// <summary>Nobody: the backbone's own logits.</summary>
    Backbone,

    /// <summary>The policy's likeliest option.</summary>
    Policy,

    /// <summary>An option drawn from the policy.</summary>
    Sample,

    /// <summary>Always the option <see cref="GenerationRequest.ForcedOption"/>.</summary>
    Force,
}

/// <summary>One sequence to generate.</summary>
public sealed class GenerationRequest
{
    /// <summary>A request with lists of its own.</summary>
    public GenerationRequest() : this(null)
    {
    }

    /// <summary>A request that takes over the lists of a finished one, emptied, which is not to be read any more: a loop of many rollouts makes no garbage of them.</summary>
    /// <param name="finished">The finished request, or null.</param>
    public GenerationRequest(GenerationRequest? finished)
    {
        (Generated, Options) = (Emptied(finished?.Generated), Emptied(finished?.Options));
        (LogProbabilities, Hidden) = (Emptied(finished?.LogProbabilities), Emptied(finished?.Hidden));
    }

    /// <summary>Token ids of the prompt, at least one.</summary>
    public required int[] Prompt { get; init; }

    /// <summary>Most tokens to generate.</summary>
    public required int MaxTokens { get; init; }

    /// <summary>Tokens that end the sequence; the end token is part of <see cref="Generated"/>.</summary>
    public IReadOnlyList<int> StopTokens { get; init; } = [];

    /// <summary>How tokens are picked.</summary>
    public SamplerOptions Sampler { get; init; } = new();

    /// <summary>Who chooses options.</summary>
    public LatentChoice Latent { get; init; } = LatentChoice.Backbone;

    /// <summary>The option for <see cref="LatentChoice.Force"/>.</summary>
    public int ForcedOption { get; init; }

    /// <summary>Options of the first tokens; <see cref="Latent"/> chooses from there on.</summary>
    public IReadOnlyList<int> OptionsPrefix { get; init; } = [];

    /// <summary>Every random draw of the sequence follows from this number and the position.</summary>
    public ulong Seed { get; init; }

    /// <summary>Keep the hidden states, which RL learns from.</summary>
    public bool Record { get; init; }

    /// <summary>Fill <see cref="Explained"/>: what every option would have said.</summary>
    public bool Explain { get; init; }

    /// <summary>Fill <see cref="Scores"/> with this many likeliest tokens beside the chosen one; null keeps it empty.</summary>
    public int? TopScores { get; init; }

    /// <summary>
    /// Fill <see cref="PromptScores"/> too, in the same way: each token of the prompt given those before it. <see cref="LatentChoice.Sample"/>
    /// takes the policy's likeliest option there. Nothing of the prompt is taken from kept prefixes then.
    /// </summary>
    public bool ScorePrompt { get; init; }

    /// <summary>Generated tokens, the end token included.</summary>
    public List<int> Generated { get; }

    /// <summary>The option of each generated token; empty for the plain backbone.</summary>
    public List<int> Options { get; }

    /// <summary>log pi of each of <see cref="Options"/>.</summary>
    public List<float> LogProbabilities { get; }

    /// <summary>Hidden states [generated, D] that each token was predicted from (when recording).</summary>
    public List<float> Hidden { get; }

    /// <summary>What each generated token could have been, option by option (when asked for).</summary>
    public List<ExplainedToken> Explained { get; } = [];

    /// <summary>The model's log-probability of each generated token, before temperature and cuts (when asked for).</summary>
    public List<TokenScore> Scores { get; } = [];

    /// <summary>The model's log-probability of each token of the prompt but the first, which follows nothing (when asked for).</summary>
    public List<TokenScore> PromptScores { get; } = [];

    /// <summary>True when a stop token ended the sequence, false when the limit did.</summary>
    public bool Stopped { get; internal set; }

    /// <summary>Called after each token; returning false ends the sequence.</summary>
    public Func<int, bool>? OnToken { get; init; }

    /// <summary>Generated tokens without the end token.</summary>
    public ReadOnlySpan<int> Completion =>
        System.Runtime.InteropServices.CollectionsMarshal.AsSpan(Generated)[..(Generated.Count - (Stopped ? 1 : 0))];

    /// <summary>Who chooses the option of the next token, and which one where that is fixed.</summary>
    internal (LatentChoice Choice, int Option) NextChoice =>
        Generated.Count < OptionsPrefix.Count ? (LatentChoice.Force, OptionsPrefix[Generated.Count]) : (Latent, ForcedOption);

    /// <summary>Whether a token ends the sequence.</summary>
    public bool IsStop(int token)
    {
        for (int i = 0; i < StopTokens.Count; i++)
        {
            if (StopTokens[i] == token) return true;
        }
        return false;
    }

    private static List<T> Emptied<T>(List<T>? list)
    {
        list?.Clear();
        return list ?? [];
    }

    /// <summary>Whether any token of the sequence needs the OLLM modules.</summary>
    internal bool NeedsOptions => Latent != LatentChoice.Backbone || OptionsPrefix.Count > 0;
}

/// <summary>A generated token seen from all sides.</summary>
/// <param name="Option">The option that was taken; null for the backbone's own logits.</param>
/// <param name="BackboneEntropy">Entropy of the backbone's distribution here, in nats.</param>
/// <param name="Options">All K options: likeliest token, its probability, the policy's; empty without an OLLM.</param>
public sealed record ExplainedToken(int? Option, float BackboneEntropy, IReadOnlyList<ExploredOption> Options);

/// <summary>How likely the model held a token.</summary>
/// <param name="LogProbability">Of the generated token.</param>
/// <param name="Top">The likeliest tokens and their log-probabilities, likeliest first.</param>
public sealed record TokenScore(float LogProbability, IReadOnlyList<(int Token, float LogProbability)> Top);
