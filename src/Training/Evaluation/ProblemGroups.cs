using System.Globalization;

namespace OllmNative.Training;

/// <summary>Problems that have a column's value in common.</summary>
/// <param name="Value">The value, or the band of values.</param>
/// <param name="Rows">Their rows.</param>
public sealed record ProblemGroup(string Value, IReadOnlyList<EvalResult> Rows);

/// <summary>
/// Groups problems for tables: difficulty in Omni-MATH's four tiers (1 to 3, above 3 to 5, above 5 to 7, above 7 to 10; arXiv
/// 2410.07985), domain by the part below "Mathematics" (a problem of two domains counts in both), other columns by value.
/// </summary>
public static class ProblemGroups
{
    private const int MostGroups = 40;
    private const string Chain = " -> ";

    private static readonly string[] Columns = ["difficulty", "domain", "level", "subject", "conflict", "problem_type", "source", "problem_source"];
    private static readonly (double Above, double To, string Name)[] Tiers = [(0, 3, "1 to 3"), (3, 5, "above 3 to 5"), (5, 7, "above 5 to 7"), (7, 10, "above 7 to 10")];

    /// <summary>The columns whose groups are worth a table: at least two groups and at most forty.</summary>
    public static IReadOnlyList<(string Column, IReadOnlyList<ProblemGroup> Groups)> Of(IReadOnlyList<(EvalResult Result, DataRow Row)> problems)
    {
        ArgumentNullException.ThrowIfNull(problems);
        var tables = new List<(string, IReadOnlyList<ProblemGroup>)>();
        foreach (string column in Columns)
        {
            var groups = new SortedDictionary<string, List<EvalResult>>(Comparer<string>.Create(CompareValues));
            foreach ((EvalResult result, DataRow row) in problems)
            {
                if (!row.Extra.TryGetValue(column, out string? text)) continue;
                foreach (string value in Values(column, text))
                {
                    if (!groups.TryGetValue(value, out List<EvalResult>? members)) groups.Add(value, members = []);
                    members.Add(result);
                }
            }
            if (groups.Count is > 1 and <= MostGroups) tables.Add((column, [.. groups.Select(group => new ProblemGroup(group.Key, group.Value))]));
        }
        return tables;
    }

    private static IEnumerable<string> Values(string column, string text) => column switch
    {
        "difficulty" => [Tier(text)],
        "domain" => text.Split("; ").Select(Area).Distinct(),
        _ => [text],
    };

    private static string Tier(string text)
    {
        if (!double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double difficulty)) return text;
        foreach ((double above, double to, string name) in Tiers)
        {
            if (difficulty > above && difficulty <= to) return name;
        }
        return text;
    }

    /// <summary>"Mathematics -> Algebra -> Intermediate Algebra" is Algebra.</summary>
    private static string Area(string domain)
    {
        string[] parts = domain.Split(Chain, StringSplitOptions.TrimEntries);
        return parts.Length > 1 ? parts[1] : parts[0];
    }

    /// <summary>Numbers by value, tiers and words by text.</summary>
    private static int CompareValues(string a, string b) =>
        double.TryParse(a, NumberStyles.Float, CultureInfo.InvariantCulture, out double x) && double.TryParse(b, NumberStyles.Float, CultureInfo.InvariantCulture, out double y) && x != y
            ? x.CompareTo(y)
            : TierIndex(a) != TierIndex(b) ? TierIndex(a).CompareTo(TierIndex(b)) : string.CompareOrdinal(a, b);

    private static int TierIndex(string value) => Array.FindIndex(Tiers, tier => tier.Name == value);
}
