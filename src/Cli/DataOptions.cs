using System.CommandLine;
using OllmNative.Model;
using OllmNative.Training;

namespace OllmNative.Cli;

/// <summary>The options of every command that reads rows for a model.</summary>
internal sealed class DataOptions
{
    private readonly Option<string> _data = CommonOptions.Path("--data", "Rows: a .jsonl or .jsonl.gz file, or a folder of them.");
    private readonly Option<int> _maxLength = CommonOptions.Number(
        "--max-length", "Cut rows to this many tokens; 0 refuses rows that are longer than the model's context.", 0, 0, int.MaxValue);
    private readonly Option<string> _chatFormat = CommonOptions.ChatFormat();
    private readonly Option<bool> _skipBadRows = new("--skip-bad-rows") { Description = "Count and pass over bad rows instead of stopping at the first one." };
    private readonly Option<int?>? _limit;
    private readonly Option<string?> _problemType = Words("--problem-type", "Only rows whose problem_type is one of these words, such as has_answer_extracted.");
    private readonly Option<string?> _inferenceMode = Words("--inference-mode", "Only rows whose inference_mode is one of these words: cot, tir, genselect.");
    private readonly Option<double?> _minPassRate = CommonOptions.OptionalNumber("--min-pass-rate", "Only rows whose pass_rate_72b_tir is at least this; \"n/a\" is left out.", 0.0, 1.0);
    private readonly Option<double?> _maxPassRate = CommonOptions.OptionalNumber("--max-pass-rate", "Only rows whose pass_rate_72b_tir is at most this; \"n/a\" is left out.", 0.0, 1.0);

    /// <summary>Adds --data, what says how and which rows of it are read and, when asked for, --limit to a command.</summary>
    public DataOptions(Command command, bool withLimit = false)
    {
        Option[] all = [_data, _maxLength, _chatFormat, _skipBadRows, _problemType, _inferenceMode, _minPassRate, _maxPassRate];
        foreach (Option option in all) command.Add(option);
        if (withLimit) command.Add(_limit = CommonOptions.OptionalNumber("--limit", "Use this many rows at most.", 1, int.MaxValue));
    }

    /// <summary>Prepares to read the rows that the command line names.</summary>
    /// <exception cref="OllmException">Tokenizer and model do not fit, or a value is out of range.</exception>
    public DataSource Open(ParseResult parsed, ModelSession session, Output ui)
    {
        // Rows of token ids need no tokenizer, so a folder without one will do for them.
        Tokenizer? tokenizer = File.Exists(Path.Combine(session.Folder, "tokenizer.json")) ? session.Tokenizer : null;
        ChatFormat format = CommonOptions.ChatFormatOf(parsed.GetValue(_chatFormat)!, session);
        var encoder = new RowEncoder(session.Config, tokenizer, format, parsed.GetValue(_maxLength));
        int limit = _limit is not null && parsed.GetValue(_limit) is { } given ? given : int.MaxValue;
        var filter = new RowFilter
        {
            ProblemTypes = List(parsed.GetValue(_problemType)),
            InferenceModes = List(parsed.GetValue(_inferenceMode)),
            MinPassRate = parsed.GetValue(_minPassRate),
            MaxPassRate = parsed.GetValue(_maxPassRate),
        };
        return new DataSource(parsed.GetValue(_data)!, encoder, tokenizer, parsed.GetValue(_skipBadRows), filter, limit, ui);
    }

    private static Option<string?> Words(string name, string description) => new(name) { Description = description, HelpName = "A,B" };

    private static string[] List(string? words) => words?.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries) ?? [];
}

/// <summary>The rows of a data set as one model reads them.</summary>
internal sealed class DataSource(string path, RowEncoder encoder, Tokenizer? tokenizer, bool skipBadRows, RowFilter filter, int limit, Output ui)
{
    // So many messages about bad rows are shown; the rest is counted.
    private const int ShownMessages = 10;

    /// <summary>The file or folder.</summary>
    public string Path { get; } = path;

    /// <summary>Turns rows into token ids.</summary>
    public RowEncoder Encoder { get; } = encoder;

    /// <summary>Bad rows that were passed over.</summary>
    public int Skipped { get; private set; }

    /// <summary>Rows that the filters left out.</summary>
    public int LeftOut { get; private set; }

    /// <summary>Whether the model folder has a tokenizer.</summary>
    public bool HasTokenizer => tokenizer is not null;

    /// <summary>The model's tokenizer.</summary>
    /// <exception cref="OllmException">The folder has none.</exception>
    public Tokenizer Tokenizer => tokenizer ?? throw new OllmException($"{Path}: generating text needs a tokenizer, but the model folder has no tokenizer.json");

    /// <summary>
    /// What <paramref name="make"/> makes of each wanted row; null leaves a row out. With --skip-bad-rows a row that cannot be
    /// used for this model counts as bad too.
    /// </summary>
    /// <exception cref="OllmException">A row is bad, or there is no row at all.</exception>
    public List<T> Read<T>(Func<DataRow, T?> make) where T : class =>
        Read(new RowForm<T?>(make, (_, _) => throw new NotSupportedException(), (_, _) => throw new NotSupportedException()), ProcessGroup.Single);

    /// <summary>The same for all processes of a group, which share the work.</summary>
    /// <exception cref="OllmException">A row is bad, or there is no row at all.</exception>
    public List<T> Read<T>(RowForm<T?> form, ProcessGroup group) where T : class
    {
        var items = new List<T>();
        ForEach(form, group, item =>
        {
            if (item is not null) items.Add(item);
        });
        return items;
    }

    /// <summary>The problems of the wanted rows; a row without an expected answer is left out.</summary>
    /// <exception cref="OllmException">A row is bad, or there is no row at all.</exception>
    public List<AnswerProblem> ReadProblems(ProcessGroup group) => Read(
        new RowForm<AnswerProblem?>(
            row => Answers.Problem(row, this),
            (writer, problem) => SharedRows.WriteIds(writer, problem?.Prompt ?? []),
            (reader, row) => SharedRows.ReadIds(reader) is { Length: > 0 } prompt ? new AnswerProblem(prompt, row.ExpectedAnswer!, row) : null),
        group);

    /// <summary>All wanted rows as token ids, in memory or, when they are many, in a temporary file. Rows without a target are dropped.</summary>
    /// <param name="group">The processes that share the tokenizing; this one alone by default.</param>
    /// <exception cref="OllmException">A row is bad, or there is no row at all.</exception>
    public TokenRowStore ReadTokenRows(ProcessGroup? group = null)
    {
        var form = new RowForm<TokenRow>(
            Encoder.Encode,
            (writer, row) =>
            {
                writer.Write(row.PromptLength);
                SharedRows.WriteIds(writer, row.Tokens);
            },
            (reader, row) =>
            {
                int promptLength = reader.ReadInt32();
                return new TokenRow(SharedRows.ReadIds(reader), promptLength, row.Line);
            });
        var store = new TokenRowStore();
        try
        {
            ForEach(form, group ?? ProcessGroup.Single, store.Add);
            if (store.WithoutTargets > 0) ui.Log($"{store.WithoutTargets} rows left out: no token to learn, since their prompt is all that they have or all that --max-length leaves");
            return store;
        }
        catch
        {
            store.Dispose();
            throw;
        }
    }

    private void ForEach<T>(RowForm<T> form, ProcessGroup group, Action<T> use)
    {
        int rows = 0;
        foreach (SharedRows.Made<T> made in SharedRows.Make(RowReader.Read(Path, skipBadRows, Skip).Where(IsWanted), form, group))
        {
            ui.Cancellation.ThrowIfCancellationRequested();
            bool needsTokenizer = made.Row.Tokens is null && tokenizer is null;
            if (made.Error is { } error)
            {
                if (!skipBadRows || needsTokenizer) throw new OllmException(error);
                Skip(error);
                continue;
            }
            use(made.Item!);
            if (++rows == limit) break;
        }
        if (Skipped > 0) ui.Log($"{Skipped} bad rows skipped");
        if (rows > 0)
        {
            if (LeftOut > 0) ui.Log($"{LeftOut} rows left out by --problem-type, --inference-mode or the pass rate");
            return;
        }
        string why = (Skipped > 0 ? $" ({Skipped} bad ones skipped)" : "") + (LeftOut > 0 ? $" ({LeftOut} left out by --problem-type, --inference-mode or the pass rate)" : "");
        throw new OllmException($"{Path}: no usable row{why}, expected at least one");
    }

    private bool IsWanted(DataRow row)
    {
        if (filter.Keeps(row)) return true;
        LeftOut++;
        return false;
    }

    private void Skip(string message)
    {
        if (++Skipped <= ShownMessages) ui.Log($"skipped: {Output.Shown(message)}");
    }
}
