using System.Collections.Frozen;
using System.Text.RegularExpressions;

namespace OllmNative.Training;

/// <summary>Ways to write an answer that are brought to the usual form before parsing: number words, sets by their condition, a parameter's range.</summary>
internal static partial class AnswerPhrases
{
    private static readonly FrozenDictionary<string, string> Numbers = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase)
    {
        ["zero"] = "0", ["one"] = "1", ["two"] = "2", ["three"] = "3", ["four"] = "4", ["five"] = "5", ["six"] = "6", ["seven"] = "7", ["eight"] = "8",
        ["nine"] = "9", ["ten"] = "10", ["eleven"] = "11", ["twelve"] = "12", ["one half"] = "1/2", ["one third"] = "1/3", ["one quarter"] = "1/4", ["one fourth"] = "1/4",
    }.ToFrozenDictionary(StringComparer.OrdinalIgnoreCase);

    /// <summary>"two" is 2 and "{x | x > 2}" is its condition; other answers stay as they are.</summary>
    public static string Usual(string answer)
    {
        if (Numbers.TryGetValue(answer, out string? digits)) return digits;
        if (AllReals().IsMatch(answer)) return "\\mathbb{R}";
        if (NoSolution().IsMatch(answer)) return "\\emptyset";
        if (NamedChoice().Match(answer) is { Success: true } choice) return choice.Groups["letter"].Value;
        Match set = ByCondition().Match(answer);
        return set.Success && Relation().IsMatch(set.Groups["condition"].Value) ? set.Groups["condition"].Value.Trim() : answer;
    }

    /// <summary>Without ", k in Z" at the end, where only one of two answers says what its parameter ranges over.</summary>
    public static (string A, string B) WithoutRange(string a, string b)
    {
        Match left = Range().Match(a), right = Range().Match(b);
        if (left.Success == right.Success) return (a, b);
        return left.Success ? (a[..left.Index], b) : (a, b[..right.Index]);
    }

    [GeneratedRegex(@"^all\s+(the\s+)?real(s|\s+(numbers|values))$", RegexOptions.CultureInvariant | RegexOptions.IgnoreCase)]
    private static partial Regex AllReals();

    [GeneratedRegex(@"^(there\s+(is|are)\s+)?no\s+(real\s+)?solutions?$", RegexOptions.CultureInvariant | RegexOptions.IgnoreCase)]
    private static partial Regex NoSolution();

    [GeneratedRegex(@"^(option|choice|answer)\s*(\((?<letter>[A-J])\)|(?<letter>[A-J]))$", RegexOptions.CultureInvariant | RegexOptions.IgnoreCase)]
    private static partial Regex NamedChoice();

    [GeneratedRegex(@"^\\\{\s*[a-z](\s*\\in\s*\\mathbb\s*(R|\{R\}))?\s*(\\mid|\\vert|\\colon|\||:)(?![a-zA-Z])(?<condition>[^{}|]{1,200})\\\}$", RegexOptions.CultureInvariant)]
    private static partial Regex ByCondition();

    [GeneratedRegex(@"\s*[,;(]\s*(\\quad\s*)?(\\text\s*\{\s*(where|for|with)?\s*\}\s*|where\s+|for\s+)?[a-zA-Z]\s*(\\in|∈)\s*(\\mathbb\s*(Z|\{Z\})|ℤ|\\Z|\\mathbf\{Z\})\s*\)?\s*$", RegexOptions.CultureInvariant)]
    private static partial Regex Range();

    [GeneratedRegex(@"<|>|≤|≥|\\(le|ge|lt|gt|leq|geq|leqslant|geqslant)(?![a-zA-Z])", RegexOptions.CultureInvariant)]
    private static partial Regex Relation();
}
