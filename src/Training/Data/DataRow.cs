namespace OllmNative.Training;

/// <summary>One turn of a conversation as a data row has it.</summary>
/// <param name="Role">system, user, assistant or tool.</param>
/// <param name="Content">What was said.</param>
public sealed record RowMessage(string Role, string Content);

/// <summary>The schema that a row was recognised by; the names are those of docs/data.md.</summary>
public static class RowKind
{
    /// <summary>problem, generated_solution, expected_answer.</summary>
    public const string OpenMathReasoning = "openmathreasoning";

    /// <summary>question, answer with "#### N".</summary>
    public const string Gsm8k = "gsm8k";

    /// <summary>problem, solution, answer.</summary>
    public const string Math = "math";

    /// <summary>prompt, completion.</summary>
    public const string PromptCompletion = "prompt";

    /// <summary>messages.</summary>
    public const string Messages = "messages";

    /// <summary>text.</summary>
    public const string Text = "text";

    /// <summary>tokens, prompt_length.</summary>
    public const string Tokens = "tokens";
}

/// <summary>One row of a data set. Which members are set depends on <see cref="Kind"/>; see docs/data.md.</summary>
public sealed record DataRow
{
    /// <summary>The file that it was read from, for messages; empty when it comes from elsewhere.</summary>
    public string File { get; init; } = "";

    /// <summary>Line in its file, from 1.</summary>
    public required int Line { get; init; }

    /// <summary>"FILE:LINE", for messages.</summary>
    public string Place => $"{File}:{Line}";

    /// <summary>The schema, one of <see cref="RowKind"/>.</summary>
    public required string Kind { get; init; }

    /// <summary>Text before the completion, taken literally; empty for text rows, null where a problem, messages or tokens take its place.</summary>
    public string? Prompt { get; init; }

    /// <summary>Text to learn; null in rows that only pose a problem.</summary>
    public string? Completion { get; init; }

    /// <summary>The turns before the completion.</summary>
    public IReadOnlyList<RowMessage>? Messages { get; init; }

    /// <summary>Token ids of a pre-tokenised row, prompt first.</summary>
    public int[]? Tokens { get; init; }

    /// <summary>How many of <see cref="Tokens"/> are the prompt; 0 in other rows.</summary>
    public int PromptLength { get; init; }

    /// <summary>The right final answer; null when the row has none ("n/a" and "" count as none).</summary>
    public string? ExpectedAnswer { get; init; }

    /// <summary>The problem of a mathematics row, without instructions.</summary>
    public string? Problem { get; init; }

    /// <summary>difficulty, domain, subject, level, conflict, source and OpenMathReasoning's columns as text, those that the row has.</summary>
    public IReadOnlyDictionary<string, string> Extra { get; init; } = NoExtra;

    private static readonly Dictionary<string, string> NoExtra = [];
}
