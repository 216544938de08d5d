using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using OllmNative.Model;
using OllmNative.Training;

namespace OllmNative.Cli;

/// <summary>
/// A row to evaluate. Of several processes one has its tokens and evaluates it; the first one has every row's text, for the report;
/// the others know no more of it than what all must agree on, so that their memory does not grow with the tokens of all rows.
/// </summary>
/// <param name="Line">Its line in its file.</param>
/// <param name="Key">The beginning of a hash of everything that its results depend on.</param>
/// <param name="Targets">Targets of its completion; 0 without one.</param>
/// <param name="PromptLength">Tokens of its problem's prompt; 0 without an expected answer.</param>
internal sealed record EvalRow(int Line, string Key, int Targets, int PromptLength)
{
    /// <summary>The row; null on processes that neither evaluate nor report it.</summary>
    public DataRow? Row { get; init; }

    /// <summary>This process evaluates it.</summary>
    public bool IsOwn { get; private init; }

    /// <summary>Its tokens when it is this process' and has a completion.</summary>
    public TokenRow? Tokens { get; private init; }

    /// <summary>Its problem when it is this process' and has an expected answer.</summary>
    public AnswerProblem? Problem { get; private init; }

    /// <summary>It has an expected answer.</summary>
    public bool HasProblem => PromptLength > 0;

    /// <summary>The rows of a data set, tokenized by all processes of the group together.</summary>
    /// <exception cref="OllmException">A row is bad, or there is no row at all.</exception>
    public static List<EvalRow> Read(DataSource source, ProcessGroup group) => source.Read(
        new RowForm<EvalRow?>(
            row => Of(row, row.Completion is null && row.Tokens is null ? null : source.Encoder.Encode(row), Answers.Problem(row, source)),
            (writer, row) =>
            {
                writer.Write(row!.Key);
                writer.Write(row.Targets);
                writer.Write(row.PromptLength);
            },
            (reader, row) => new EvalRow(row.Line, reader.ReadString(), reader.ReadInt32(), reader.ReadInt32()) { Row = group.IsFirst ? row : null }),
        group);

    private static EvalRow Of(DataRow row, TokenRow? tokens, AnswerProblem? problem) =>
        new(row.Line, KeyOf(tokens, problem), tokens?.Targets ?? 0, problem?.Prompt.Length ?? 0) { Row = row, IsOwn = true, Tokens = tokens, Problem = problem };

    private static string KeyOf(TokenRow? tokens, AnswerProblem? problem)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Span<byte> number = stackalloc byte[4];
        foreach (int id in (IEnumerable<int>)[.. tokens?.Tokens ?? [], -1, tokens?.PromptLength ?? 0, .. problem?.Prompt ?? []])
        {
            BinaryPrimitives.WriteInt32LittleEndian(number, id);
            hash.AppendData(number);
        }
        hash.AppendData(Encoding.UTF8.GetBytes(problem?.ExpectedAnswer ?? ""));
        return Convert.ToHexStringLower(hash.GetHashAndReset())[..16];
    }
}
