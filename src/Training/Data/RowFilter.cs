using System.Globalization;

namespace OllmNative.Training;

/// <summary>
/// Which rows of OpenMathReasoning (arXiv 2504.16891) are wanted, by its columns <c>problem_type</c>, <c>inference_mode</c> and
/// <c>pass_rate_72b_tir</c>. All of them are text, and any may be missing; a row that lacks what is asked for is left out.
/// </summary>
public sealed record RowFilter
{
    private const string PassRate = "pass_rate_72b_tir";

    /// <summary>Wanted values of problem_type; empty wants all.</summary>
    public IReadOnlyList<string> ProblemTypes { get; init; } = [];

    /// <summary>Wanted values of inference_mode; empty wants all.</summary>
    public IReadOnlyList<string> InferenceModes { get; init; } = [];

    /// <summary>Lowest wanted pass rate; null wants all, rows with "n/a" too.</summary>
    public double? MinPassRate { get; init; }

    /// <summary>Highest wanted pass rate; null wants all, rows with "n/a" too.</summary>
    public double? MaxPassRate { get; init; }

    /// <summary>Whether any row can be left out.</summary>
    public bool IsActive => ProblemTypes.Count > 0 || InferenceModes.Count > 0 || MinPassRate is not null || MaxPassRate is not null;

    /// <summary>Whether the row is wanted.</summary>
    public bool Keeps(DataRow row)
    {
        ArgumentNullException.ThrowIfNull(row);
        return Has(row, "problem_type", ProblemTypes) && Has(row, "inference_mode", InferenceModes) && HasPassRate(row);
    }

    private static bool Has(DataRow row, string column, IReadOnlyList<string> wanted) =>
        wanted.Count == 0 || (row.Extra.TryGetValue(column, out string? value) && wanted.Contains(value.Trim(), StringComparer.OrdinalIgnoreCase));

    private bool HasPassRate(DataRow row)
    {
        if (MinPassRate is null && MaxPassRate is null) return true;
        return row.Extra.TryGetValue(PassRate, out string? text)
            && double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double rate)
            && rate >= (MinPassRate ?? double.NegativeInfinity) && rate <= (MaxPassRate ?? double.PositiveInfinity);
    }
}
