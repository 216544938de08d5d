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

    /// <summary>Every random draw of the sequence follows from this number and the position.</summary>
    public ulong Seed { get; init; }

    /// <summary>Keep what latent RL learns from: hidden states and the policy's log-probabilities.</summary>
    public bool Record { get; init; }

    /// <summary>Generated tokens, the end token included.</summary>
    public List<int> Generated { get; } = [];

    /// <summary>The option of each generated token; empty for the plain backbone.</summary>
    public List<int> Options { get; } = [];

    /// <summary>log pi of each chosen option (when recording).</summary>
    public List<float> LogProbabilities { get; } = [];

    /// <summary>Hidden states [generated, D] that each token was predicted from (when recording).</summary>
    public List<float> Hidden { get; } = [];

    /// <summary>True when a stop token ended the sequence, false when the limit did.</summary>
    public bool Stopped { get; internal set; }

    /// <summary>Called after each token; returning false ends the sequence.</summary>
    public Func<int, bool>? OnToken { get; init; }

    /// <summary>Generated tokens without the end token.</summary>
    public ReadOnlySpan<int> Completion =>
        System.Runtime.InteropServices.CollectionsMarshal.AsSpan(Generated)[..(Generated.Count - (Stopped ? 1 : 0))];
}
