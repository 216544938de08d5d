using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using OllmNative.Model;

namespace OllmNative.Cli;

/// <summary>Who chooses options: a value of --latent.</summary>
/// <param name="Choice">Who.</param>
/// <param name="Option">The option of force:k.</param>
internal readonly record struct LatentSetting(LatentChoice Choice, int Option = 0)
{
    private static readonly string[] Words = ["backbone", "policy", "sample", "force:k"];

    /// <summary>The option --latent; <paramref name="withBackbone"/> allows generating without options.</summary>
    public static Option<LatentSetting?> Flag(bool withBackbone = true)
    {
        string words = string.Join(", ", withBackbone ? Words : Words[1..]);
        return new Option<LatentSetting?>("--latent")
        {
            Description = $"Who chooses the option of each token: {words} (k from 0). policy takes the likeliest, and is the default with --ollm; sample draws from the policy.",
            HelpName = "WORD",
            CustomParser = result => Parse(result, words, withBackbone),
        };
    }

    /// <summary>Checks a value against the model; null means the default.</summary>
    /// <exception cref="OllmException">There is no OLLM, or it has no such option.</exception>
    public static LatentSetting Resolve(LatentSetting? given, OllmModel? ollm)
    {
        LatentSetting setting = given ?? new LatentSetting(ollm is null ? LatentChoice.Backbone : LatentChoice.Policy);
        if (setting.Choice != LatentChoice.Backbone && ollm is null) throw new OllmException("--latent: choosing options needs an OLLM, expected --ollm DIR");
        if (setting.Choice == LatentChoice.Force && setting.Option >= ollm!.Shape.Options)
            throw new OllmException($"--latent force:{setting.Option}: the OLLM has {ollm.Shape.Options} options, expected 0 to {ollm.Shape.Options - 1}");
        return setting;
    }

    private static LatentSetting? Parse(ArgumentResult result, string words, bool withBackbone)
    {
        string word = result.Tokens[0].Value;
        if (word == "policy") return new LatentSetting(LatentChoice.Policy);
        if (word == "sample") return new LatentSetting(LatentChoice.Sample);
        if (word == "backbone" && withBackbone) return new LatentSetting(LatentChoice.Backbone);
        if (word.StartsWith("force:", StringComparison.Ordinal) && int.TryParse(word.AsSpan(6), NumberStyles.None, CultureInfo.InvariantCulture, out int option))
            return new LatentSetting(LatentChoice.Force, option);
        result.AddError($"--latent: '{word}' is not known, expected {words} (k a number from 0)");
        return null;
    }
}
