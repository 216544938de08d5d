using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;

namespace OllmNative.Cli;

/// <summary>The options of a run, for its report.</summary>
internal static class RunSettings
{
    /// <summary>Every option of the command with the value that the run has used; options without a value are left out.</summary>
    public static IEnumerable<(string Key, string Value)> Of(ParseResult parsed)
    {
        foreach (Option option in parsed.CommandResult.Command.Options.Where(option => option.Name.StartsWith("--", StringComparison.Ordinal)))
        {
            bool given = WasGiven(parsed, option);
            string? value = given ? string.Join(' ', parsed.GetResult(option)!.Tokens.Select(token => token.Value))
                : option.HasDefaultValue ? Convert.ToString(option.GetDefaultValue(), CultureInfo.InvariantCulture) : null;
            if (given && value!.Length == 0) value = "yes";
            if (!string.IsNullOrEmpty(value)) yield return (option.Name, value);
        }
    }

    /// <summary>Whether the option stands on the command line; otherwise it has its default.</summary>
    public static bool WasGiven(ParseResult parsed, Option option) => parsed.GetResult(option) is OptionResult { Implicit: false };
}
