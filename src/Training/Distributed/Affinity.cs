using System.Globalization;

namespace OllmNative.Training;

/// <summary>The processors that the system lets this process run on.</summary>
internal static class Affinity
{
    /// <summary>Processors beyond this number are not looked at.</summary>
    public const int Most = 1024;

    /// <summary>Their numbers; empty where the system does not say.</summary>
    public static int[] Allowed()
    {
        const string status = "/proc/self/status", key = "Cpus_allowed_list:";
        if (!File.Exists(status)) return [];
        string? line = File.ReadLines(status).FirstOrDefault(line => line.StartsWith(key, StringComparison.Ordinal));
        return line is null ? [] : Parse(line[key.Length..]);
    }

    /// <summary>Reads a list like <c>0-3,8</c>.</summary>
    internal static int[] Parse(string list)
    {
        var found = new List<int>();
        foreach (string part in list.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            string[] ends = part.Split('-');
            if (!int.TryParse(ends[0], NumberStyles.None, CultureInfo.InvariantCulture, out int first)) return [];
            int last = first;
            if (ends.Length > 1 && !int.TryParse(ends[1], NumberStyles.None, CultureInfo.InvariantCulture, out last)) return [];
            for (int i = first; i <= Math.Min(last, Most - 1); i++) found.Add(i);
        }
        return [.. found];
    }
}
