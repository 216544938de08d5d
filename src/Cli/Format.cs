using System.Globalization;

namespace OllmNative.Cli;

/// <summary>Numbers as people read them.</summary>
internal static class Format
{
    /// <summary>494,032,768 as 494.03 M.</summary>
    public static string Count(long count) => count switch
    {
        < 10_000 => count.ToString(CultureInfo.InvariantCulture),
        < 1_000_000 => Invariant($"{count / 1e3:F1} k"),
        _ => Invariant($"{count / 1e6:N2} M"),
    };

    /// <summary>Bytes in binary units: 942.3 MiB.</summary>
    public static string Bytes(long bytes) => bytes switch
    {
        < 1 << 10 => Invariant($"{bytes} B"),
        < 1 << 20 => Invariant($"{bytes / 1024.0:F1} KiB"),
        < 1 << 30 => Invariant($"{bytes / (double)(1 << 20):F1} MiB"),
        _ => Invariant($"{bytes / (double)(1 << 30):F2} GiB"),
    };

    /// <summary>A fraction as 1.56 %.</summary>
    public static string Percent(double fraction) => Invariant($"{100 * fraction:F2} %");

    /// <summary>Digits in groups of three.</summary>
    public static string Grouped(long number) => number.ToString("N0", CultureInfo.InvariantCulture);

    private static string Invariant(FormattableString text) => FormattableString.Invariant(text);
}
