using System.Globalization;
using System.Security.Cryptography;
using OllmNative.Model;
using OllmNative.Training;

namespace OllmNative.Cli;

/// <summary>Settings of an evaluation.</summary>
/// <param name="Samples">N of the sampled answers; 0 leaves them out.</param>
/// <param name="MaxTokens">Most tokens of an answer; null takes the default.</param>
/// <param name="Temperature">Of the backbone's samples; the policy's draw options instead.</param>
/// <param name="Seed">Seed of the samples.</param>
internal sealed record EvalSettings(int Samples, int? MaxTokens, float Temperature, ulong Seed);

/// <summary>
/// Evaluates rows: token accuracy of those with completions, answers of those with expected answers. A row is written to the
/// log as soon as it is complete; rows that the log has are not evaluated again.
/// </summary>
internal sealed class EvalRun
{
    private const int TokensAtATime = 1024;

    private readonly ModelSession _session;
    private readonly DataSource _source;
    private readonly IReadOnlyList<EvalRow> _rows;
    private readonly Output _ui;
    private readonly EvalResult?[] _results;
    private EvalLog? _log;

    /// <summary>Prepares; nothing is written or run yet.</summary>
    /// <exception cref="OllmException">There is nothing to evaluate, or answers do not fit the model's context.</exception>
    public EvalRun(ModelSession session, DataSource source, IReadOnlyList<EvalRow> rows, EvalSettings settings, Output ui)
    {
        (_session, _source, _rows, _ui) = (session, source, rows, ui);
        _results = new EvalResult?[rows.Count];
        EvalRow? longest = rows.Where(row => row.HasProblem).MaxBy(row => row.PromptLength);
        if (longest is null && !rows.Any(row => row.Targets > 0))
            throw new OllmException($"{source.Path}: nothing to evaluate, expected rows with completions or expected answers");
        int maxTokens = longest is null ? 0 : Answers.MaxTokens(session.Config, longest.PromptLength, longest.Line, settings.MaxTokens);
        Settings = new AnswerSettings(settings.Samples, maxTokens, settings.Temperature, settings.Seed);
    }

    /// <summary>How answers are generated.</summary>
    public AnswerSettings Settings { get; }

    /// <summary>Rows that an earlier run had graded.</summary>
    public int Kept { get; private set; }

    /// <summary>Rows graded so far by this process, and the kept ones.</summary>
    public int Done { get; private set; }

    /// <summary>The rows' results, in their order; complete on the first process after <see cref="Run"/>.</summary>
    public IReadOnlyList<EvalResult> Results => [.. _results.OfType<EvalResult>()];

    /// <summary>Results with answers and the rows that they belong to.</summary>
    public IReadOnlyList<(EvalResult Result, DataRow Row)> Problems =>
        [.. _rows.Zip(_results).Where(pair => pair.Second?.Backbone is not null).Select(pair => (pair.Second!, pair.First.Row!))];

    /// <summary>Follows from the contents of all rows.</summary>
    public string Identity => string.Concat(_rows.Select(row => row.Key));

    /// <summary>What must agree between runs that share rows.</summary>
    public IReadOnlyDictionary<string, string> RunSettings(string? ollmFolder) => new SortedDictionary<string, string>(StringComparer.Ordinal)
    {
        ["backbone"] = _session.Backbone.Fingerprint,
        ["ollm"] = ollmFolder is null ? "none" : Checksum(Path.Combine(ollmFolder, "ollm.safetensors")),
        ["--samples"] = Settings.Samples.ToString(CultureInfo.InvariantCulture),
        ["--max-tokens"] = Settings.MaxTokens.ToString(CultureInfo.InvariantCulture),
        ["--temp"] = Settings.Temperature.ToString(CultureInfo.InvariantCulture),
        ["--seed"] = Settings.Seed.ToString(CultureInfo.InvariantCulture),
    };

    /// <summary>Evaluates what the log does not have; of several processes each does the rows that it has read, and the first one has every result.</summary>
    /// <param name="log">Keeps the results, if any.</param>
    /// <param name="group">The processes.</param>
    public void Run(EvalLog? log, ProcessGroup group)
    {
        _log = log;
        var kept = new byte[_rows.Count];
        for (int i = 0; group.IsFirst && log is not null && i < kept.Length; i++) kept[i] = TakeKept(log, i) ? (byte)1 : (byte)0;
        group.Broadcast(kept, 0);
        Kept = Done = kept.Count(flag => flag != 0);
        if (Kept > 0) _ui.Log($"{Kept} of {_rows.Count} rows are graded already");
        List<int> pending = [.. Enumerable.Range(0, _rows.Count).Where(i => _rows[i].IsOwn && kept[i] == 0)];
        if (pending.Count > 0) Evaluate(pending);
        if (group.IsDistributed)
        {
            foreach (EvalResult result in EvalShare.GatherFirst(group, pending.Select(i => _results[i]!), _session.Ollm is not null)) _results[result.Row - 1] = result;
        }
        log?.Finish(Results);
    }

    private bool TakeKept(EvalLog log, int row)
    {
        EvalRow of = _rows[row];
        if (log.Find(row + 1, of.Key) is not { } result) return false;
        // A line that says less than it should, or other things: the row is graded again.
        if (!result.Fits(of.Targets, of.HasProblem, _session.Ollm is not null, Settings.Samples)) return false;
        _results[row] = result;
        return true;
    }

    private void Evaluate(List<int> pending)
    {
        using Progress bar = _ui.Progress("eval", _rows.Count);
        EvalRow[] withTokens = [.. pending.Select(i => _rows[i]).Where(row => row.Tokens is { Targets: > 0 })];
        AnswerProblem[] problems = [.. pending.Select(i => _rows[i].Problem).OfType<AnswerProblem>()];
        using TokenAccuracyEvaluator? accuracy = withTokens.Length == 0
            ? null
            : new TokenAccuracyEvaluator(_session.Backbone, _session.Ollm, withTokens.Max(row => row.Tokens!.Tokens.Length));
        if (problems.Length == 0)
        {
            foreach (int _ in Feed(pending, accuracy, bar)) throw new InvalidOperationException("a row without a problem was taken for one");
            return;
        }
        int capacity = problems.Max(problem => problem.Prompt.Length) + Settings.MaxTokens;
        long sequences = (long)problems.Length * (Settings.Samples + 1) * (_session.Ollm is null ? 1 : 2);
        int slots = (int)Math.Min(sequences, Generator.SlotsFor(_session.Backbone, capacity));
        using var stream = new AnswerStream(_session.Backbone, _session.Ollm, _source.Tokenizer, _source.Encoder.StopTokens, Settings, slots, capacity);
        stream.Run(
            Feed(pending, accuracy, bar).Select(i => (i, _rows[i].Problem!)),
            (i, backbone, policy) => Complete(_results[i]! with { Backbone = backbone, Policy = policy }, bar), _ui.Cancellation);
    }

    /// <summary>
    /// Counts tokens for some rows at a time, writes those that are complete with that, and hands on the others for their answers.
    /// </summary>
    private IEnumerable<int> Feed(List<int> pending, TokenAccuracyEvaluator? accuracy, Progress bar)
    {
        for (int first = 0, count; first < pending.Count; first += count)
        {
            _ui.Cancellation.ThrowIfCancellationRequested();
            count = 1;
            int tokens = Length(pending[first]);
            while (first + count < pending.Count && tokens + Length(pending[first + count]) <= TokensAtATime) tokens += Length(pending[first + count++]);
            List<int> part = pending.GetRange(first, count);
            int[] counted = [.. part.Where(i => _rows[i].Tokens is { Targets: > 0 })];
            IReadOnlyList<TokenHits> hits = counted.Length == 0 ? [] : accuracy!.MeasureRows([.. counted.Select(i => _rows[i].Tokens!)], null, _ui.Cancellation);
            foreach (int i in part)
            {
                int at = Array.IndexOf(counted, i);
                _results[i] = new EvalResult
                {
                    Row = i + 1, Line = _rows[i].Line, Key = _rows[i].Key, Tokens = at < 0 ? null : hits[at], ExpectedAnswer = _rows[i].Problem?.ExpectedAnswer,
                };
                if (_rows[i].Problem is null) Complete(_results[i]!, bar);
                else yield return i;
            }
        }

        int Length(int row) => _rows[row].Tokens?.Tokens.Length ?? 0;
    }

    private void Complete(EvalResult result, Progress bar)
    {
        _results[result.Row - 1] = result;
        _log?.Write(result);
        bar.Report(++Done);
    }

    private static string Checksum(string path)
    {
        using FileStream stream = File.OpenRead(path);
        return Convert.ToHexStringLower(SHA256.HashData(stream));
    }
}
