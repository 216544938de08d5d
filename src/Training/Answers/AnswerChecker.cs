using System.Text.RegularExpressions;

namespace OllmNative.Training;

/// <summary>
/// Decides whether two final answers mean the same thing. The rules (what counts as equal, tolerances, commas, percent, units)
/// are written down in docs/answers.md. Total on all strings: never throws, and its work is bounded.
/// </summary>
public static partial class AnswerChecker
{
    /// <summary>Longer answers, in characters, are compared as text only.</summary>
    public const int MaxLength = 4000;

    /// <summary>
    /// Whether <paramref name="prediction"/> is mathematically equivalent to <paramref name="gold"/>. Either may be a bare answer or
    /// a longer text, from which <see cref="AnswerExtractor.Extract"/> takes the answer. False when either is null or empty.
    /// </summary>
    public static bool Equivalent(string? prediction, string? gold)
    {
        if (string.IsNullOrWhiteSpace(prediction) || string.IsNullOrWhiteSpace(gold)) return false;
        if (prediction.AsSpan().Trim().SequenceEqual(gold.AsSpan().Trim())) return true;
        if (SameText(prediction, gold)) return true;
        string? left = AnswerExtractor.Extract(prediction);
        string? right = AnswerExtractor.Extract(gold);
        if (left == null || right == null) return false;
        // "June 20" as a gold answer by itself is all of it, not the number that would be found in a sentence.
        if (SameText(left, gold) || SameText(prediction, right)) return true;
        return SameAnswer(left, right) || SameChoice(left, right) || SameChoice(right, left);
    }

    private static bool SameText(string a, string b) => a.Length <= MaxLength && b.Length <= MaxLength && AnswerText.Same(a, b);

    private static bool SameAnswer(string a, string b)
    {
        if (AnswerText.Same(a, b)) return true;
        if (a.Length > MaxLength || b.Length > MaxLength) return false;
        (a, b) = AnswerPhrases.WithoutRange(AnswerPhrases.Usual(AnswerText.Clean(a)), AnswerPhrases.Usual(AnswerText.Clean(b)));
        if (AnswerText.Same(a, b)) return true;
        if (Compare(a, b, CommaReading.Thousands, CommaReading.Thousands)) return true;
        if (DecimalComma().IsMatch(a = a.Replace("{,}", ",", StringComparison.Ordinal)) && !b.Contains(',')) return Compare(a, b, CommaReading.Decimal, CommaReading.Thousands);
        if (DecimalComma().IsMatch(b = b.Replace("{,}", ",", StringComparison.Ordinal)) && !a.Contains(',')) return Compare(a, b, CommaReading.Thousands, CommaReading.Decimal);
        return a.Contains(',') && b.Contains(',') && Compare(a, b, CommaReading.Separator, CommaReading.Separator);
    }

    private static bool Compare(string a, string b, CommaReading commasA, CommaReading commasB)
    {
        if (MathParser.TryParse(a, commasA) is not { } left || MathParser.TryParse(b, commasB) is not { } right) return false;
        return new AnswerComparer().Same(MathRewriter.Expand(left), MathRewriter.Expand(right));
    }

    // "(C) 45" answers a question whose gold answer is "C", and one whose gold answer is 45.
    private static bool SameChoice(string labelled, string other)
    {
        if (labelled.Length > MaxLength) return false;
        Match match = Choice().Match(AnswerText.Clean(labelled));
        if (!match.Success) return false;
        string rest = match.Groups["rest"].Value;
        return AnswerText.Same(match.Groups["letter"].Value, AnswerText.Clean(other).Trim('(', ')')) || (rest.Length > 0 && SameAnswer(rest, other));
    }

    [GeneratedRegex(@"^[-+]?\d+,\d+$", RegexOptions.CultureInvariant)]
    private static partial Regex DecimalComma();

    [GeneratedRegex(@"^(\\text(bf|rm|it)?\s*\{\s*)?(\((?<letter>[A-J])\)|(?<letter>[A-J])[).:])\s*\}?[\s~\\]*(?<rest>.*)$", RegexOptions.CultureInvariant | RegexOptions.Singleline)]
    private static partial Regex Choice();
}
