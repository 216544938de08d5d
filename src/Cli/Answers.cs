using System.CommandLine;
using OllmNative.Model;
using OllmNative.Training;

namespace OllmNative.Cli;

/// <summary>What commands that generate and grade answers share.</summary>
internal static class Answers
{
    private const int DefaultMaxTokens = 512;

    /// <summary>--max-tokens of generated answers.</summary>
    public static Option<int?> MaxTokensOption() =>
        CommonOptions.OptionalNumber("--max-tokens", $"Most tokens of an answer; {DefaultMaxTokens} or what the context leaves by default.", 1, int.MaxValue);

    /// <summary>The problem of a row; null when the row has no expected answer.</summary>
    /// <exception cref="OllmException">The prompt cannot be encoded or leaves no room for an answer.</exception>
    public static AnswerProblem? Problem(DataRow row, DataSource source)
    {
        if (row.ExpectedAnswer is null) return null;
        _ = source.Tokenizer;
        int[] prompt = source.Encoder.EncodePrompt(row);
        if (prompt.Length == 0) throw new OllmException($"{row.Place}: the prompt is empty, expected at least one token");
        return new AnswerProblem(prompt, row.ExpectedAnswer, row);
    }

    /// <summary>Tokens for answers: what was asked for, or the default as far as the context allows.</summary>
    /// <exception cref="OllmException">The longest prompt leaves too little of the context.</exception>
    public static int MaxTokens(ModelConfig config, IReadOnlyList<AnswerProblem> problems, int? asked)
    {
        AnswerProblem longest = problems.MaxBy(problem => problem.Prompt.Length)!;
        return MaxTokens(config, longest.Prompt.Length, longest.Row.Line, asked);
    }

    /// <summary>The same for a longest prompt of so many tokens, in a line of the data.</summary>
    /// <exception cref="OllmException">The longest prompt leaves too little of the context.</exception>
    public static int MaxTokens(ModelConfig config, int longest, int line, int? asked)
    {
        int room = config.MaxPositions - longest;
        if (room < 1)
            throw new OllmException($"the prompt of line {line} has {longest} tokens and leaves no room for an answer: the model's context is {config.MaxPositions}");
        if (asked > room)
            throw new OllmException($"--max-tokens {asked}: the longest prompt has {longest} tokens and the model's context is {config.MaxPositions}, expected at most {room}");
        return asked ?? Math.Min(DefaultMaxTokens, room);
    }
}
