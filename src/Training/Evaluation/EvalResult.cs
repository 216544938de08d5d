using System.Text.Json;

namespace OllmNative.Training;

/// <summary>What an evaluation found out about one row: a line of results.jsonl.</summary>
public sealed record EvalResult
{
    /// <summary>Number of the row among the rows used, from 1.</summary>
    public required int Row { get; init; }

    /// <summary>Its line in its file.</summary>
    public required int Line { get; init; }

    /// <summary>Follows from the row's tokens and expected answer: a row of other contents has another key.</summary>
    public required string Key { get; init; }

    /// <summary>Tokens predicted right; null when the row has no target.</summary>
    public TokenHits? Tokens { get; init; }

    /// <summary>The right answer; null when the row has none.</summary>
    public string? ExpectedAnswer { get; init; }

    /// <summary>The backbone's answers; null without an expected answer.</summary>
    public MethodAnswers? Backbone { get; init; }

    /// <summary>The policy's answers; null without an expected answer or without an OLLM.</summary>
    public MethodAnswers? Policy { get; init; }

    /// <summary>Names and values of the line.</summary>
    /// <param name="withOllm">Whether the policy's, encoder's and oracle's tokens were counted.</param>
    public IEnumerable<KeyValuePair<string, object?>> Fields(bool withOllm)
    {
        var fields = new List<KeyValuePair<string, object?>> { new("row", Row), new("line", Line), new("key", Key) };
        if (Tokens is { } hits)
        {
            fields.AddRange([new("targets", hits.Targets), new("backbone_tokens_right", hits.Backbone)]);
            if (withOllm) fields.AddRange([new("policy_tokens_right", hits.Policy), new("encoder_tokens_right", hits.Encoder), new("oracle_tokens_right", hits.Oracle)]);
        }
        if (ExpectedAnswer is not null) fields.Add(new("expected_answer", ExpectedAnswer));
        foreach ((string name, MethodAnswers? answers) in (IEnumerable<(string, MethodAnswers?)>)[("backbone", Backbone), ("policy", Policy)])
        {
            if (answers is null) continue;
            fields.AddRange(
            [
                new($"{name}_greedy", answers.Greedy), new($"{name}_greedy_right", answers.GreedyRight), new($"{name}_samples", answers.Samples),
                new($"{name}_samples_right", answers.SamplesRight), new($"{name}_malformed", answers.Malformed),
            ]);
        }
        return fields;
    }

    /// <summary>Reads a line back.</summary>
    /// <exception cref="FormatException">A field is missing or of the wrong kind.</exception>
    internal static EvalResult Parse(JsonElement line)
    {
        try
        {
            return new EvalResult
            {
                Row = line.GetProperty("row").GetInt32() is > 0 and var row ? row : throw new FormatException("row is not positive"),
                Line = line.GetProperty("line").GetInt32(),
                Key = line.GetProperty("key").GetString()!,
                Tokens = line.TryGetProperty("targets", out JsonElement targets)
                    ? new TokenHits(targets.GetInt32(), Count(line, "backbone"), Count(line, "policy"), Count(line, "encoder"), Count(line, "oracle"))
                    : null,
                ExpectedAnswer = line.TryGetProperty("expected_answer", out JsonElement answer) ? answer.GetString() : null,
                Backbone = Answers(line, "backbone"),
                Policy = Answers(line, "policy"),
            };
        }
        catch (Exception error) when (error is KeyNotFoundException or InvalidOperationException)
        {
            throw new FormatException(error.Message, error);
        }
    }

    /// <summary>Whether the line has all that this row's evaluation finds out, and nothing else; a file can say what it likes.</summary>
    /// <param name="targets">Targets of the row; 0 when it has no completion.</param>
    /// <param name="problem">Whether it has an expected answer.</param>
    /// <param name="withOllm">Whether the policy's answers belong to it.</param>
    /// <param name="samples">Sampled answers of each method.</param>
    public bool Fits(int targets, bool problem, bool withOllm, int samples)
    {
        bool tokensFit = targets == 0 ? Tokens is null : Tokens is { } hits && hits.Targets == targets
            && Math.Min(Math.Min(hits.Backbone, hits.Policy), Math.Min(hits.Encoder, hits.Oracle)) >= 0
            && Math.Max(Math.Max(hits.Backbone, hits.Policy), Math.Max(hits.Encoder, hits.Oracle)) <= targets;
        return tokensFit && problem == ExpectedAnswer is not null && AnswersFit(Backbone, problem) && AnswersFit(Policy, problem && withOllm);

        bool AnswersFit(MethodAnswers? answers, bool wanted) => answers is null ? !wanted
            : wanted && answers.Samples.Count == samples && answers.SamplesRight.Count == samples && answers.Malformed >= 0 && answers.Malformed <= samples + 1
              && answers.Greedy is not null && answers.Samples.All(text => text is not null);
    }

    private static int Count(JsonElement line, string name) => line.TryGetProperty(name + "_tokens_right", out JsonElement value) ? value.GetInt32() : 0;

    private static MethodAnswers? Answers(JsonElement line, string name) => !line.TryGetProperty(name + "_greedy", out JsonElement greedy)
        ? null
        : new MethodAnswers(
            greedy.GetString()!, line.GetProperty(name + "_greedy_right").GetBoolean(),
            [.. line.GetProperty(name + "_samples").EnumerateArray().Select(text => text.GetString()!)],
            [.. line.GetProperty(name + "_samples_right").EnumerateArray().Select(right => right.GetBoolean())], line.GetProperty(name + "_malformed").GetInt32());
}
