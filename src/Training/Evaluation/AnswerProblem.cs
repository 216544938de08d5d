using OllmNative.Model;

namespace OllmNative.Training;

/// <summary>A problem with a known answer, ready to be generated from.</summary>
/// <param name="Prompt">Token ids of the prompt.</param>
/// <param name="ExpectedAnswer">The right final answer.</param>
/// <param name="Row">The row that it came from.</param>
public sealed record AnswerProblem(int[] Prompt, string ExpectedAnswer, DataRow Row)
{
    /// <summary>Grades a completion: the final answer is extracted and compared for mathematical equivalence.</summary>
    public bool IsRight(string completion, out string? answer)
    {
        answer = AnswerExtractor.Extract(completion);
        return answer is not null && AnswerChecker.Equivalent(answer, ExpectedAnswer);
    }

    /// <summary>Reads the problems of a data file; rows without an answer are left out.</summary>
    /// <exception cref="OllmException">The file is malformed, or no row has an expected answer.</exception>
    public static IReadOnlyList<AnswerProblem> Read(string path, RowEncoder encoder, bool skipBadRows = false, Action<string>? onSkipped = null, int limit = int.MaxValue)
    {
        ArgumentNullException.ThrowIfNull(encoder);
        AnswerProblem[] problems =
        [
            .. RowReader.Read(path, skipBadRows, onSkipped).Where(row => row.ExpectedAnswer is not null)
                .Take(limit).Select(row => new AnswerProblem(encoder.EncodePrompt(row), row.ExpectedAnswer!, row)),
        ];
        return problems.Length > 0 ? problems : throw new OllmException($"{path}: no row has an expected answer; expected expected_answer, answer or a GSM8K solution");
    }
}
