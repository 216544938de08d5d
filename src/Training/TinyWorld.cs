using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using OllmNative.Model;

namespace OllmNative.Training;

/// <summary>Which problems of the tiny world a data set draws from; the two sets share no problem.</summary>
public enum TinySplit
{
    /// <summary>Problems for pre-training, fine-tuning and latent RL: three quarters of all.</summary>
    Train,

    /// <summary>Problems that no training row contains: one quarter of all, chosen by a hash of the text.</summary>
    HeldOut,
}

/// <summary>One row of the tiny world. Only the first three fields and <see cref="Conflict"/> are written to files.</summary>
/// <param name="Problem">The problem, for example <c>3 + 4 * 5</c>.</param>
/// <param name="GeneratedSolution">A worked solution by <paramref name="Strategy"/>, ending in <c>\boxed{N}</c>.</param>
/// <param name="ExpectedAnswer">The right answer (with precedence), whatever the solution says.</param>
/// <param name="Conflict">True when the two strategies disagree: o2 is <c>*</c>, o1 is not, and c is at least 2.</param>
/// <param name="Strategy"><see cref="TinyWorld.Precedence"/> or <see cref="TinyWorld.LeftToRight"/>; a reader of the rows never sees it.</param>
public sealed record TinyRow(string Problem, string GeneratedSolution, string ExpectedAnswer, bool Conflict, string Strategy);

/// <summary>
/// The tiny world: problems <c>a o1 b o2 c</c> over the digits 1-9 and + - *, each with a worked solution that follows one of
/// two unlabelled strategies in one of four phrasings. On conflict rows (80 %) only <c>precedence</c> (45 % of the rows) is right.
/// A row is a function of (seed, row number) alone.
/// </summary>
public static class TinyWorld
{
    /// <summary>The strategy that multiplies first: always right.</summary>
    public const string Precedence = "precedence";

    /// <summary>The strategy that reads from left to right: wrong on conflict rows, the same as precedence on the others.</summary>
    public const string LeftToRight = "left-to-right";

    /// <summary>What stands between problem and solution when a row becomes text; the end token follows the solution.</summary>
    public const string Separator = "\n";

    /// <summary>Share of rows whose answer depends on the strategy.</summary>
    public const double ConflictShare = 0.8;

    /// <summary>Share of the conflict rows whose solution uses <see cref="Precedence"/>: 3/8 x 0.65 + 5/8 x 0.33.</summary>
    public const double PrecedenceShare = 0.45;

    // Large last factors (7, 8, 9: three of the eight that conflict problems have) invite multiplying first, small ones do not.
    // Were the share the same everywhere, a well trained backbone would decode one strategy greedily on every problem; so
    // its greedy answers follow the more frequent strategy of each problem, and are right about half of the time.
    private const int LargeFactor = 7;
    private const double ShareWithLargeFactor = 0.65;
    private const double ShareWithSmallFactor = 0.33;

    // {0} and {1} are the two steps, {2} the answer. Each begins with another word, so that the phrasing is settled by the
    // first token and the strategy by the first token of the first step: everything after these two is a lookup or a copy.
    private static readonly CompositeFormat[] Phrasings =
    [
        CompositeFormat.Parse(@"First {0}, then {1}: \boxed{{{2}}}"),
        CompositeFormat.Parse(@"We get {0} so {1}, \boxed{{{2}}}"),
        CompositeFormat.Parse(@"Start {0}; next {1}; \boxed{{{2}}}"),
        CompositeFormat.Parse(@"Now {0} and {1}. \boxed{{{2}}}"),
    ];

    private static readonly (char First, char Second)[] ConflictOperators = [('+', '*'), ('-', '*')];

    private static readonly (char First, char Second)[] OtherOperators =
        [('+', '+'), ('+', '-'), ('-', '+'), ('-', '-'), ('*', '+'), ('*', '-'), ('*', '*')];

    private static readonly JsonWriterOptions JsonOptions = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Number of phrasings of a solution, drawn uniformly.</summary>
    public static int PhrasingCount => Phrasings.Length;

    /// <summary>Makes rows 0..<paramref name="rows"/>-1 of the data set that <paramref name="seed"/> names.</summary>
    /// <param name="rows">Number of rows.</param>
    /// <param name="seed">Names the data set: the same seed gives the same rows everywhere.</param>
    /// <param name="split">Where the problems come from.</param>
    /// <param name="distinct">Draw again when a problem came before. There are 1,296 conflict problems, a quarter
    /// of them held out, and 80 % of the rows need one each: ask for 300 held-out rows at most.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="rows"/> is negative.</exception>
    /// <exception cref="InvalidOperationException">The split has too few different problems for <paramref name="distinct"/>.</exception>
    public static IEnumerable<TinyRow> Generate(int rows, ulong seed, TinySplit split = TinySplit.Train, bool distinct = false)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(rows);
        return Rows(rows, seed, split, distinct ? [] : null);
    }

    /// <summary>True when the problem belongs to <see cref="TinySplit.HeldOut"/>: decided by its text alone.</summary>
    public static bool IsHeldOut(string problem)
    {
        ArgumentNullException.ThrowIfNull(problem);
        ulong hash = 0;
        foreach (char c in problem)
        {
            hash = Counter.Finalize(hash * 131 + c);
        }

        return hash % 4 == 0;
    }

    /// <summary>
    /// True when the text is one of the worked solutions that the tiny world has for a problem: either strategy, any phrasing,
    /// every step computed right. Anything else has left the language of the task.
    /// </summary>
    public static bool IsWorkedSolution(string problem, string text)
    {
        ArgumentNullException.ThrowIfNull(problem);
        ArgumentNullException.ThrowIfNull(text);
        if (Problem.Parse(problem) is not { } parsed) return false;
        string trimmed = text.Trim();
        return Phrasings.Any(phrasing => parsed.Solve(phrasing, multiplyFirst: false) == trimmed || parsed.Solve(phrasing, multiplyFirst: true) == trimmed);
    }

    /// <summary>Writes rows as JSONL: <c>problem</c>, <c>generated_solution</c>, <c>expected_answer</c>, <c>conflict</c>.</summary>
    /// <returns>The number of rows written.</returns>
    public static int WriteJsonl(Stream output, IEnumerable<TinyRow> rows)
    {
        ArgumentNullException.ThrowIfNull(output);
        ArgumentNullException.ThrowIfNull(rows);
        int count = 0;
        using var json = new Utf8JsonWriter(output, JsonOptions);
        foreach (TinyRow row in rows)
        {
            json.WriteStartObject();
            json.WriteString("problem", row.Problem);
            json.WriteString("generated_solution", row.GeneratedSolution);
            json.WriteString("expected_answer", row.ExpectedAnswer);
            json.WriteBoolean("conflict", row.Conflict);
            json.WriteEndObject();
            json.Flush();
            output.WriteByte((byte)'\n');
            json.Reset();
            count++;
        }

        return count;
    }

    private static IEnumerable<TinyRow> Rows(int rows, ulong seed, TinySplit split, HashSet<string>? seen)
    {
        for (int row = 0; row < rows; row++)
        {
            yield return MakeRow(new CounterRandom(seed, (ulong)row), split, seen);
        }
    }

    private static TinyRow MakeRow(CounterRandom random, TinySplit split, HashSet<string>? seen)
    {
        // Conflict is drawn once and only the problem again when it is of the other split, so both splits have the same share.
        bool conflict = random.NextUnit() < ConflictShare;
        Problem problem = DrawProblem(ref random, conflict, split, seen);
        CompositeFormat phrasing = Phrasings[random.NextIndex(Phrasings.Length)];
        double share = !conflict ? PrecedenceShare : problem.C >= LargeFactor ? ShareWithLargeFactor : ShareWithSmallFactor;
        bool precedence = random.NextUnit() < share;

        string solution = problem.Solve(phrasing, multiplyFirst: conflict && precedence);
        string expected = Text(problem.Answer(multiplyFirst: conflict));
        return new TinyRow(problem.ToString(), solution, expected, conflict, precedence ? Precedence : LeftToRight);
    }

    private static Problem DrawProblem(ref CounterRandom random, bool conflict, TinySplit split, HashSet<string>? seen)
    {
        (char, char)[] operators = conflict ? ConflictOperators : OtherOperators;
        for (int attempt = 0; attempt < 100_000; attempt++)
        {
            (char first, char second) = operators[random.NextIndex(operators.Length)];
            (int a, int b) = (1 + random.NextIndex(9), 1 + random.NextIndex(9));
            int c = conflict ? 2 + random.NextIndex(8) : 1 + random.NextIndex(9); // both strategies agree when c is 1
            var problem = new Problem(a, first, b, second, c);
            string text = problem.ToString();
            if (IsHeldOut(text) == (split == TinySplit.HeldOut) && (seen is null || seen.Add(text)))
            {
                return problem;
            }
        }

        throw new InvalidOperationException($"the {split} split of the tiny world has no {(conflict ? "conflict" : "other")} problem left that was not used");
    }

    private static string Text(int value) => value.ToString(CultureInfo.InvariantCulture);

    private static int Apply(int x, char op, int y) => op switch
    {
        '+' => x + y,
        '-' => x - y,
        _ => x * y,
    };

    private static string Step(int x, char op, int y) => $"{Text(x)}{op}{Text(y)}={Text(Apply(x, op, y))}";

    /// <summary>a o1 b o2 c. Multiplying first means b o2 c before o1; otherwise a o1 b comes first.</summary>
    private readonly record struct Problem(int A, char First, int B, char Second, int C)
    {
        public static Problem? Parse(string text)
        {
            string[] parts = text.Split(' ');
            return parts.Length == 5 && Digit(parts[0], out int a) && Digit(parts[2], out int b) && Digit(parts[4], out int c) && parts[1].Length == 1 && parts[3].Length == 1
                ? new Problem(a, parts[1][0], b, parts[3][0], c)
                : null;

            static bool Digit(string part, out int digit) => int.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out digit);
        }

        public override string ToString() => $"{Text(A)} {First} {Text(B)} {Second} {Text(C)}";

        public int Answer(bool multiplyFirst) => multiplyFirst
            ? Apply(A, First, Apply(B, Second, C))
            : Apply(Apply(A, First, B), Second, C);

        public string Solve(CompositeFormat phrasing, bool multiplyFirst)
        {
            string one = multiplyFirst ? Step(B, Second, C) : Step(A, First, B);
            string two = multiplyFirst ? Step(A, First, Apply(B, Second, C)) : Step(Apply(A, First, B), Second, C);
            return string.Format(CultureInfo.InvariantCulture, phrasing, one, two, Text(Answer(multiplyFirst)));
        }
    }
}
