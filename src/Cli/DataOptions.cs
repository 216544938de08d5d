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

    /// <summary>Adds --data, --max-length, --chat-format, --skip-bad-rows and, when asked for, --limit to a command.</summary>
    public DataOptions(Command command, bool withLimit = false)
    {
        foreach (Option option in (Option[])[_data, _maxLength, _chatFormat, _skipBadRows]) command.Add(option);
        if (withLimit) command.Add(_limit = CommonOptions.OptionalNumber("--limit", "Read this many rows at most.", 1, int.MaxValue));
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
        return new DataSource(parsed.GetValue(_data)!, encoder, tokenizer, parsed.GetValue(_skipBadRows), limit, ui);
    }
}

/// <summary>The rows of a data set as one model reads them.</summary>
internal sealed class DataSource(string path, RowEncoder encoder, Tokenizer? tokenizer, bool skipBadRows, int limit, Output ui)
{
    // So many messages about bad rows are shown; the rest is counted.
    private const int ShownMessages = 10;

    /// <summary>The file or folder.</summary>
    public string Path { get; } = path;

    /// <summary>Turns rows into token ids.</summary>
    public RowEncoder Encoder { get; } = encoder;

    /// <summary>Bad rows that were passed over.</summary>
    public int Skipped { get; private set; }

    /// <summary>The model's tokenizer.</summary>
    /// <exception cref="OllmException">The folder has none.</exception>
    public Tokenizer Tokenizer => tokenizer ?? throw new OllmException($"{Path}: generating text needs a tokenizer, but the model folder has no tokenizer.json");

    /// <summary>
    /// What <paramref name="make"/> makes of each row; null leaves a row out. With --skip-bad-rows a row that cannot be
    /// used for this model counts as bad too.
    /// </summary>
    /// <exception cref="OllmException">A row is bad, or there is no row at all.</exception>
    public List<T> Read<T>(Func<DataRow, T?> make) where T : class
    {
        var items = new List<T>();
        int rows = 0;
        foreach (DataRow row in RowReader.Read(Path, skipBadRows, Skip))
        {
            ui.Cancellation.ThrowIfCancellationRequested();
            bool needsTokenizer = row.Tokens is null && tokenizer is null;
            try
            {
                if (make(row) is { } item) items.Add(item);
                rows++;
            }
            catch (OllmException error) when (skipBadRows && !needsTokenizer)
            {
                Skip(error.Message);
            }
            if (rows == limit) break;
        }
        if (Skipped > 0) ui.Log($"{Skipped} bad rows skipped");
        return rows > 0 ? items : throw new OllmException($"{Path}: no usable row{(Skipped > 0 ? $" ({Skipped} bad ones skipped)" : "")}, expected at least one");
    }

    /// <summary>All rows as token ids.</summary>
    /// <exception cref="OllmException">A row is bad, or there is no row at all.</exception>
    public List<TokenRow> ReadTokenRows() => Read(row => Encoder.Encode(row, Path));

    private void Skip(string message)
    {
        if (++Skipped <= ShownMessages) ui.Log($"skipped: {Output.Shown(message)}");
    }
}
