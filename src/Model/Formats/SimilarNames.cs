namespace OllmNative.Model;

/// <summary>Finds the names a user may have meant, by edit distance.</summary>
internal static class SimilarNames
{
    private const int MaxCandidates = 20_000;
    private const int MaxLength = 200;

    /// <summary>Up to <paramref name="count"/> of the names, nearest first. Work is bounded for tables of any size.</summary>
    public static string[] Find(string wanted, IEnumerable<string> names, int count = 3)
    {
        string pattern = Cut(wanted);
        return [.. names.Take(MaxCandidates).OrderBy(name => Distance(pattern, Cut(name))).ThenBy(name => name, StringComparer.Ordinal).Take(count)];
    }

    private static string Cut(string text) => text.Length <= MaxLength ? text : text[..MaxLength];

    // Levenshtein with one row: row[j] is the distance of a[..i] and b[..j].
    private static int Distance(string a, string b)
    {
        Span<int> row = stackalloc int[MaxLength + 1];
        for (int j = 0; j <= b.Length; j++) row[j] = j;
        for (int i = 1; i <= a.Length; i++)
        {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j <= b.Length; j++)
            {
                int replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.Min(replaced, Math.Min(row[j], row[j - 1]) + 1);
            }
        }
        return row[b.Length];
    }
}
