using OllmNative.Model;

namespace OllmNative.Training;

/// <summary>Positions at one place of a sentence.</summary>
/// <param name="Place">Tokens since the sentence began, from 1; the last place takes all that follow.</param>
/// <param name="Positions">How many.</param>
/// <param name="MeanEntropy">Nats.</param>
/// <param name="Ambiguous">Share that is not deterministic.</param>
public sealed record SentencePlace(int Place, int Positions, double MeanEntropy, double Ambiguous);

/// <summary>A position with the text around it.</summary>
/// <param name="Position">The position.</param>
/// <param name="Token">The token that follows in the data.</param>
/// <param name="Before">Text before it.</param>
/// <param name="After">Text after it.</param>
public sealed record PositionInContext(PositionEntropy Position, int Token, string Before, string After);

/// <summary>
/// What <see cref="EntropyDiagnosis"/> has measured, summed up (the paper's Fig. 1 and Appendix B): shares of deterministic and
/// ambiguous positions, mass of the two likeliest tokens, a histogram, entropy by place in the sentence, and the extremes in context.
/// </summary>
public sealed class EntropySummary
{
    /// <summary>Width of a bin of <see cref="Histogram"/>, nats.</summary>
    public const double BinWidth = 0.1;

    private const int Places = 40, Extremes = 20, Before = 24, After = 8;

    private readonly IReadOnlyList<PositionEntropy> _positions;
    private readonly ITokenRows _rows;
    private readonly double _limit;

    /// <summary>Sums up.</summary>
    /// <param name="positions">Row by row, in order; at least one.</param>
    /// <param name="rows">The rows that they belong to.</param>
    /// <param name="tokenizer">Reads the tokens; null leaves out what needs text.</param>
    /// <param name="limit">Positions below this entropy are deterministic, nats.</param>
    public EntropySummary(IReadOnlyList<PositionEntropy> positions, ITokenRows rows, Tokenizer? tokenizer, double limit)
    {
        ArgumentNullException.ThrowIfNull(positions);
        (_positions, _rows, _limit) = (positions, rows, limit);
        PositionEntropy[] ambiguous = [.. positions.Where(position => position.Entropy >= limit)];
        MeanEntropy = positions.Average(position => position.Entropy);
        Ambiguous = (double)ambiguous.Length / positions.Count;
        TopTwo = positions.Average(position => position.TopTwo);
        TopTwoAmbiguous = ambiguous.Length == 0 ? double.NaN : ambiguous.Average(position => position.TopTwo);
        Histogram = new int[(int)(positions.Max(position => position.Entropy) / BinWidth) + 1];
        foreach (PositionEntropy position in positions) Histogram[(int)(position.Entropy / BinWidth)]++;
        if (tokenizer is null) return;
        BySentencePlace = SentencePlaces(tokenizer);
        MostCertain = InContext(positions.OrderBy(position => position.Entropy), tokenizer);
        LeastCertain = InContext(positions.OrderByDescending(position => position.Entropy), tokenizer);
    }

    /// <summary>How many positions.</summary>
    public int Positions => _positions.Count;

    /// <summary>Nats.</summary>
    public double MeanEntropy { get; }

    /// <summary>Share of positions below the limit.</summary>
    public double Deterministic => 1 - Ambiguous;

    /// <summary>Share of the others.</summary>
    public double Ambiguous { get; }

    /// <summary>Mean probability of the two likeliest tokens together.</summary>
    public double TopTwo { get; }

    /// <summary>The same at ambiguous positions; NaN when there is none.</summary>
    public double TopTwoAmbiguous { get; }

    /// <summary>Positions by entropy, in bins of <see cref="BinWidth"/> from 0 on.</summary>
    public int[] Histogram { get; }

    /// <summary>By tokens since the sentence began; empty without a tokenizer.</summary>
    public IReadOnlyList<SentencePlace> BySentencePlace { get; } = [];

    /// <summary>The positions of lowest entropy, one for each token.</summary>
    public IReadOnlyList<PositionInContext> MostCertain { get; } = [];

    /// <summary>The positions of highest entropy, one for each token.</summary>
    public IReadOnlyList<PositionInContext> LeastCertain { get; } = [];

    /// <summary>
    /// A sentence ends with a line break, or with a full stop, question or exclamation mark before white space; what a row learns
    /// begins one.
    /// </summary>
    private List<SentencePlace> SentencePlaces(Tokenizer tokenizer)
    {
        var count = new int[Places];
        var sum = new double[Places];
        var open = new int[Places];
        TokenRow? row = null;
        int at = -1, place = 0;
        foreach (PositionEntropy position in _positions)
        {
            if (position.Row != at) (at, row, place) = (position.Row, _rows[position.Row], 0);
            int bin = Math.Min(place, Places - 1);
            count[bin]++;
            sum[bin] += position.Entropy;
            if (position.Entropy >= _limit) open[bin]++;
            place = EndsSentence(row!.Tokens, position.Index, tokenizer) ? 0 : place + 1;
        }
        return [.. Enumerable.Range(0, Places).Where(i => count[i] > 0).Select(i => new SentencePlace(i + 1, count[i], sum[i] / count[i], (double)open[i] / count[i]))];
    }

    private static bool EndsSentence(int[] tokens, int index, Tokenizer tokenizer)
    {
        ReadOnlySpan<byte> token = Bytes(tokens[index], tokenizer);
        if (token.Contains((byte)'\n')) return true;
        if (token.IsEmpty || token[^1] is not ((byte)'.' or (byte)'!' or (byte)'?')) return false;
        if (index + 1 == tokens.Length) return true;
        ReadOnlySpan<byte> next = Bytes(tokens[index + 1], tokenizer);
        return next.IsEmpty || next[0] is (byte)' ' or (byte)'\n' or (byte)'\t';
    }

    private static ReadOnlySpan<byte> Bytes(int token, Tokenizer tokenizer) => token < tokenizer.VocabularySize && !tokenizer.IsSpecial(token) ? tokenizer.TokenBytes(token) : [];

    private List<PositionInContext> InContext(IEnumerable<PositionEntropy> ordered, Tokenizer tokenizer)
    {
        var found = new List<PositionInContext>();
        var seen = new HashSet<int>();
        foreach (PositionEntropy position in ordered)
        {
            TokenRow row = _rows[position.Row];
            int token = row.Tokens[position.Index];
            if (!seen.Add(token)) continue;
            string Text(int from, int to) => tokenizer.Decode([.. row.Tokens[Math.Max(0, from)..Math.Min(row.Tokens.Length, to)].Where(id => id < tokenizer.VocabularySize)]);
            found.Add(new PositionInContext(position, token, Text(position.Index - Before, position.Index), Text(position.Index + 1, position.Index + 1 + After)));
            if (found.Count == Extremes) break;
        }
        return found;
    }
}
