using OllmNative.Model;
using OllmNative.Training;

namespace OllmNative.Cli;

/// <summary>A row to evaluate: its tokens when it has a completion, its problem when it has an expected answer.</summary>
internal sealed record EvalRow(int Line, TokenRow? Tokens, AnswerProblem? Problem);

/// <summary>Settings of an evaluation.</summary>
/// <param name="Samples">N of the sampled answers; 0 leaves them out.</param>
/// <param name="MaxTokens">Most tokens of an answer; null takes the default.</param>
/// <param name="Temperature">Of the backbone's samples; the policy's draw options instead.</param>
/// <param name="Seed">Seed of the samples.</param>
internal sealed record EvalSettings(int Samples, int? MaxTokens, float Temperature, ulong Seed);

/// <summary>Runs both evaluations on the rows that they apply to and keeps what each row got.</summary>
internal sealed class EvalRun(ModelSession session, DataSource source, IReadOnlyList<EvalRow> rows, EvalSettings settings, Output ui)
{
    private readonly Dictionary<EvalRow, TokenHits> _hits = [];
    private readonly Dictionary<EvalRow, AnswerRow> _backbone = [], _policy = [];

    /// <summary>Token accuracy by name: backbone, policy, encoder, oracle; null when no row has a completion.</summary>
    public Dictionary<string, double>? TokenAccuracy { get; private set; }

    /// <summary>Targets that the token accuracy counts.</summary>
    public long Targets { get; private set; }

    /// <summary>Answer accuracy by name: backbone_greedy, backbone_sampled, ...; null when no row has an expected answer.</summary>
    public Dictionary<string, double>? AnswerAccuracy { get; private set; }

    /// <summary>Share of outputs without a recognisable answer, for the backbone and the policy.</summary>
    public Dictionary<string, double>? Malformed { get; private set; }

    /// <summary>Rows with an expected answer.</summary>
    public int Problems { get; private set; }

    /// <summary>Measures everything.</summary>
    public void Run()
    {
        EvalRow[] withTokens = [.. rows.Where(row => row.Tokens is { Targets: > 0 })], withProblem = [.. rows.Where(row => row.Problem is not null)];
        if (withTokens.Length == 0 && withProblem.Length == 0)
            throw new OllmException($"{source.Path}: nothing to evaluate, expected rows with completions or expected answers");
        if (withTokens.Length > 0) MeasureTokens(withTokens);
        if (withProblem.Length > 0) MeasureAnswers(withProblem);
    }

    /// <summary>One line for each row, with its counts and answers.</summary>
    public void WriteRows(string path)
    {
        using var lines = new JsonLines(path);
        foreach (EvalRow row in rows)
        {
            var fields = new List<KeyValuePair<string, object?>> { new("line", row.Line) };
            if (_hits.TryGetValue(row, out TokenHits hits))
            {
                fields.AddRange([new("targets", hits.Targets), new("backbone_tokens_right", hits.Backbone)]);
                if (session.Ollm is not null)
                    fields.AddRange([new("policy_tokens_right", hits.Policy), new("encoder_tokens_right", hits.Encoder), new("oracle_tokens_right", hits.Oracle)]);
            }
            if (row.Problem is { } problem) fields.Add(new("expected_answer", problem.ExpectedAnswer));
            AddAnswers(fields, "backbone", _backbone.GetValueOrDefault(row));
            AddAnswers(fields, "policy", _policy.GetValueOrDefault(row));
            lines.Write(fields);
        }
    }

    private void MeasureTokens(EvalRow[] chosen)
    {
        using var evaluator = new TokenAccuracyEvaluator(session.Backbone, session.Ollm, chosen.Max(row => row.Tokens!.Tokens.Length));
        using Progress bar = ui.Progress("token accuracy", chosen.Length);
        IReadOnlyList<TokenHits> hits = evaluator.MeasureRows([.. chosen.Select(row => row.Tokens!)], done => bar.Report(done), ui.Cancellation);
        for (int i = 0; i < chosen.Length; i++) _hits[chosen[i]] = hits[i];
        TokenAccuracy sum = TokenAccuracyEvaluator.Sum([.. hits]);
        Targets = sum.Targets;
        TokenAccuracy = new() { ["backbone"] = sum.Backbone };
        if (session.Ollm is not null) (TokenAccuracy["policy"], TokenAccuracy["encoder"], TokenAccuracy["oracle"]) = (sum.Policy, sum.Encoder, sum.Oracle);
    }

    private void MeasureAnswers(EvalRow[] chosen)
    {
        AnswerProblem[] problems = [.. chosen.Select(row => row.Problem!)];
        Problems = problems.Length;
        int maxTokens = Answers.MaxTokens(session.Config, problems, settings.MaxTokens), capacity = problems.Max(problem => problem.Prompt.Length) + maxTokens;
        int slots = (int)Math.Min((long)problems.Length * (settings.Samples + 1), Generator.SlotsFor(session.Backbone, capacity));
        using var generator = new Generator(session.Backbone, session.Ollm, slots, capacity, source.Tokenizer.VocabularySize);
        var evaluator = new AnswerEvaluator(generator, source.Tokenizer, source.Encoder.StopTokens, maxTokens);
        (AnswerAccuracy, Malformed) = ([], []);
        Measure(evaluator, chosen, problems, "backbone", withPolicy: false, _backbone);
        if (session.Ollm is not null) Measure(evaluator, chosen, problems, "policy", withPolicy: true, _policy);
    }

    private void Measure(AnswerEvaluator evaluator, EvalRow[] chosen, AnswerProblem[] problems, string name, bool withPolicy, Dictionary<EvalRow, AnswerRow> results)
    {
        using Progress bar = ui.Progress($"answers of the {name}", problems.Length);
        (AnswerAccuracy accuracy, IReadOnlyList<AnswerRow> answers) = evaluator.Measure(
            problems, withPolicy, settings.Samples, settings.Seed, settings.Temperature, done => bar.Report(done), ui.Cancellation);
        for (int i = 0; i < chosen.Length; i++) results[chosen[i]] = answers[i];
        AnswerAccuracy![name + "_greedy"] = accuracy.Greedy;
        Malformed![name] = accuracy.Malformed;
        if (settings.Samples == 0) return;
        AnswerAccuracy[name + "_sampled"] = accuracy.Sampled;
        AnswerAccuracy[$"{name}_pass@{settings.Samples}"] = accuracy.PassAtN;
    }

    private static void AddAnswers(List<KeyValuePair<string, object?>> fields, string name, AnswerRow? row)
    {
        if (row is null) return;
        fields.AddRange(
        [
            new($"{name}_greedy", row.Greedy), new($"{name}_greedy_right", row.GreedyRight), new($"{name}_samples", row.Samples),
            new($"{name}_samples_right", row.SamplesRight),
        ]);
    }
}
