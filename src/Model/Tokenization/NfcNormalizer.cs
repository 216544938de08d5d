using System.Buffers;
using System.Collections.Frozen;
using System.Globalization;
using System.Text;

namespace OllmNative.Model;

/// <summary>
/// Unicode normalisation form C. The programs run with invariant globalization, where <see cref="string.Normalize()"/>
/// returns its input unchanged, so the form is computed here: decompose, order the marks, compose (Unicode Standard Annex 15).
/// </summary>
internal static class NfcNormalizer
{
    // Hangul syllables decompose and compose by arithmetic (Unicode Standard, section 3.12): L leading, V vowel, T trailing.
    private const int SBase = 0xAC00, LBase = 0x1100, VBase = 0x1161, TBase = 0x11A7;
    private const int LCount = 19, VCount = 21, TCount = 28, SCount = LCount * VCount * TCount;

    private static readonly Tables Data = Tables.Parse();

    /// <summary>The NFC form of well-formed UTF-16 text; the very same span when it is in that form already.</summary>
    public static ReadOnlySpan<char> Normalize(ReadOnlySpan<char> text)
    {
        // Nothing below U+0300 ever changes or combines.
        int first = text.IndexOfAnyExceptInRange('\0', '\u02FF');
        return first < 0 || !NeedsWork(text[first..]) ? text : Compose(Decompose(text));
    }

    /// <summary>Whether any code point might change under NFC or change what stands before it.</summary>
    private static bool NeedsWork(ReadOnlySpan<char> text)
    {
        if (text.IndexOfAny(Data.UnstableChars) >= 0) return true;
        if (text.IndexOfAnyInRange('\uD800', '\uDFFF') < 0) return false;
        foreach (Rune rune in text.EnumerateRunes())
            if (!rune.IsBmp && Data.Unstable.Contains(rune.Value)) return true;
        return false;
    }

    /// <summary>Full canonical decomposition, marks in canonical order.</summary>
    private static List<int> Decompose(ReadOnlySpan<char> text)
    {
        var points = new List<int>(text.Length + 16);
        foreach (Rune rune in text.EnumerateRunes()) AppendDecomposed(rune.Value, points);

        var keys = new List<long>();
        for (int i = 0; i < points.Count; i++)
        {
            if (Data.ClassOf(points[i]) == 0) continue;
            int start = i;
            keys.Clear();
            // Sorting by (class, position) is a stable sort by class that stays fast on long runs of marks.
            for (; i < points.Count && Data.ClassOf(points[i]) is var ccc and > 0; i++) keys.Add(((long)ccc << 32) | (uint)(i - start));
            if (keys.Count < 2) continue;
            keys.Sort();
            int[] run = [.. points.GetRange(start, keys.Count)];
            for (int k = 0; k < run.Length; k++) points[start + k] = run[(int)(uint)keys[k]];
        }
        return points;
    }

    private static void AppendDecomposed(int point, List<int> output)
    {
        int syllable = point - SBase;
        if ((uint)syllable < SCount)
        {
            output.Add(LBase + syllable / (VCount * TCount));
            output.Add(VBase + syllable % (VCount * TCount) / TCount);
            if (syllable % TCount != 0) output.Add(TBase + syllable % TCount);
        }
        else if (Data.Decompositions.TryGetValue(point, out var parts))
        {
            AppendDecomposed(parts.First, output);
            if (parts.Second != 0) output.Add(parts.Second);
        }
        else
        {
            output.Add(point);
        }
    }

    /// <summary>Joins each starter with the marks after it that are not blocked by a mark of the same or a higher class.</summary>
    private static string Compose(List<int> points)
    {
        int starter = -1, written = 0, lastClass = 0;
        for (int i = 0; i < points.Count; i++)
        {
            int point = points[i], ccc = Data.ClassOf(point);
            bool adjacent = starter == written - 1;
            if (starter >= 0 && (adjacent || lastClass < ccc) && TryCompose(points[starter], point, out int composed))
            {
                points[starter] = composed;
                continue;
            }
            if (ccc == 0) starter = written;
            lastClass = ccc;
            points[written++] = point;
        }

        var text = new StringBuilder(written + 16);
        Span<char> units = stackalloc char[2];
        for (int i = 0; i < written; i++) text.Append(units[..new Rune(points[i]).EncodeToUtf16(units)]);
        return text.ToString();
    }

    private static bool TryCompose(int first, int second, out int composed)
    {
        if ((uint)(first - LBase) < LCount && (uint)(second - VBase) < VCount)
        {
            composed = SBase + ((first - LBase) * VCount + (second - VBase)) * TCount;
            return true;
        }
        if ((uint)(first - SBase) < SCount && (first - SBase) % TCount == 0 && second - TBase is > 0 and < TCount)
        {
            composed = first + (second - TBase);
            return true;
        }
        return Data.Compositions.TryGetValue((first, second), out composed);
    }

    /// <summary>The tables of <see cref="NfcTables"/>, parsed once.</summary>
    private sealed class Tables
    {
        public required FrozenDictionary<int, (int First, int Second)> Decompositions { get; init; }
        public required FrozenDictionary<(int First, int Second), int> Compositions { get; init; }
        public required FrozenDictionary<int, byte> Classes { get; init; }

        /// <summary>Code points that NFC may change, reorder or join to the one before; text without them is in NFC.</summary>
        public required FrozenSet<int> Unstable { get; init; }

        /// <summary>Those of them that are one UTF-16 unit.</summary>
        public required SearchValues<char> UnstableChars { get; init; }

        public int ClassOf(int point) => point < 0x300 ? 0 : Classes.GetValueOrDefault(point);

        public static Tables Parse()
        {
            var decompositions = new Dictionary<int, (int, int)>();
            var compositions = new Dictionary<(int, int), int>();
            var classes = new Dictionary<int, byte>();
            var unstable = new HashSet<int>(Enumerable.Range(VBase, VCount).Concat(Enumerable.Range(TBase + 1, TCount - 1)));

            foreach (string entry in Words(NfcTables.CombiningClasses))
            {
                int[] n = [.. entry.Split('-', '=').Select(Hex)];
                for (int point = n[0]; point <= n[1]; point++)
                {
                    classes.Add(point, (byte)n[2]);
                    unstable.Add(point);
                }
            }
            foreach (string entry in Words(NfcTables.Decompositions))
            {
                bool composes = entry.Contains('+', StringComparison.Ordinal) && entry[^1] != '!';
                int[] n = [.. entry.TrimEnd('!').Split('=', '+').Select(Hex)];
                decompositions.Add(n[0], (n[1], n.ElementAtOrDefault(2)));
                if (composes) compositions.Add((n[1], n[2]), n[0]);
                unstable.Add(composes ? n[2] : n[0]);
            }
            return new Tables
            {
                Decompositions = decompositions.ToFrozenDictionary(),
                Compositions = compositions.ToFrozenDictionary(),
                Classes = classes.ToFrozenDictionary(),
                Unstable = unstable.ToFrozenSet(),
                UnstableChars = SearchValues.Create([.. unstable.Where(p => p <= char.MaxValue).Select(p => (char)p)]),
            };
        }

        private static string[] Words(ReadOnlySpan<byte> table) =>
            Encoding.ASCII.GetString(table).Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);

        private static int Hex(string digits) => int.Parse(digits, NumberStyles.HexNumber, CultureInfo.InvariantCulture);
    }
}
