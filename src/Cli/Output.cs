using System.Text;
using OllmNative.Model;
using Spectre.Console;

namespace OllmNative.Cli;

/// <summary>Which standard streams are a terminal.</summary>
/// <param name="Output">stdout is.</param>
/// <param name="Error">stderr is.</param>
public readonly record struct TerminalUse(bool Output, bool Error);

/// <summary>
/// Where a command speaks. Results go to stdout; progress, logs and errors to stderr. With <c>--json</c> stdout carries one
/// JSON object and nothing else, so that it can be piped into another program.
/// </summary>
internal sealed class Output(TextWriter stdout, TextWriter stderr, TextReader stdin, TerminalUse terminal, CancellationToken cancellation)
{
    // Wide enough for any table: lines of a redirected table must not be broken.
    private const int UnlimitedWidth = 100_000;

    private Progress? _active;

    /// <summary>stdout, for what does not fit the methods below.</summary>
    public TextWriter Out { get; } = stdout;

    /// <summary>stderr.</summary>
    public TextWriter Err { get; } = stderr;

    /// <summary>stdin, for a command that runs another one.</summary>
    public TextReader In { get; } = stdin;

    /// <summary>Asks the command to stop; long loops call <see cref="CancellationToken.ThrowIfCancellationRequested"/> on it.</summary>
    public CancellationToken Cancellation { get; } = cancellation;

    /// <summary>--json was given.</summary>
    public bool Json { get; set; }

    /// <summary>Number of this process in a job of several; all but the first keep silent, except for errors.</summary>
    public int Rank { get; set; }

    /// <summary>This process is one of several, which stop together: the signal may have come to another one.</summary>
    public bool InJob { get; set; }

    /// <summary>stdout is a terminal.</summary>
    public bool IsTerminal => terminal.Output;

    /// <summary>A line of the result for people; silent with --json.</summary>
    public void Line(string text = "")
    {
        if (!Json && Rank == 0) Out.WriteLine(text);
    }

    /// <summary>A piece of the result, shown at once, for text that streams; silent with --json.</summary>
    public void Write(string text)
    {
        if (Json || Rank > 0) return;
        Out.Write(text);
        Out.Flush();
    }

    /// <summary>A line about the run, on stderr.</summary>
    public void Log(string text)
    {
        if (Rank == 0) Say(text);
    }

    /// <summary><c>error: text</c> on stderr.</summary>
    public void Error(string text) => Say($"error: {(Rank > 0 ? $"rank {Rank}: " : "")}{Shown(text, keepLines: true)}");

    /// <summary>Says that the user has stopped the run.</summary>
    public void Interrupted() => Say(Rank > 0 ? $"rank {Rank}: interrupted" : "interrupted");

    /// <summary>A table on stdout, its cells shown literally; silent with --json.</summary>
    /// <param name="header">Column titles.</param>
    /// <param name="rows">Cells, as many in each row as there are titles.</param>
    /// <param name="right">Columns with numbers, aligned to the right.</param>
    public void Table(IReadOnlyList<string> header, IEnumerable<IReadOnlyList<string>> rows, params ReadOnlySpan<int> right) =>
        Table(header, rows, _ => Style.Plain, right);

    /// <summary>The same with rows in colours where stdout is a terminal.</summary>
    /// <param name="header">Column titles.</param>
    /// <param name="rows">Cells, as many in each row as there are titles.</param>
    /// <param name="style">The style of the row of an index.</param>
    /// <param name="right">Columns with numbers, aligned to the right.</param>
    public void Table(IReadOnlyList<string> header, IEnumerable<IReadOnlyList<string>> rows, Func<int, Style> style, params ReadOnlySpan<int> right)
    {
        if (Json || Rank > 0) return;
        var table = new Table { Border = TableBorder.Simple, UseSafeBorder = true };
        foreach (string title in header) table.AddColumn(new TableColumn(new Text(title)) { NoWrap = !terminal.Output });
        foreach (int column in right) table.Columns[column].Alignment = Justify.Right;
        foreach ((int index, IReadOnlyList<string> row) in rows.Index())
            table.AddRow(row.Select(cell => new Text(Shown(cell), style(index))));
        ConsoleOn(Out, terminal.Output).Write(table);
    }

    /// <summary>With --json: prints the command's result, one object on the last line of stdout. Call it once, at the end.</summary>
    /// <param name="value">
    /// An object, anonymous as a rule; its property names become snake_case, keys of a dictionary stay as they are, and
    /// numbers that JSON cannot hold (NaN, infinities) become null.
    /// </param>
    public void Result<T>(T value)
    {
        if (Json && Rank == 0) Out.WriteLine(JsonOutput.Serialize(value));
    }

    /// <summary>
    /// Shows how far a long command is: a bar where stderr is a terminal, otherwise a line every ten seconds. While one is
    /// shown, another one stays silent.
    /// </summary>
    /// <param name="title">What is going on, in a word or two.</param>
    /// <param name="total">Steps, bytes or rows in all.</param>
    public Progress Progress(string title, long total)
    {
        if (_active is not null || Rank > 0) return new Progress(title, total, null, null, () => { });
        Progress bar = terminal.Error
            ? new Progress(title, total, ConsoleOn(Err, terminal: true), null, () => _active = null)
            : new Progress(title, total, null, Err, () => _active = null);
        return _active = bar;
    }

    /// <summary>All of stdin, exactly; Ctrl-C ends the waiting.</summary>
    /// <exception cref="OllmException">It is not UTF-8.</exception>
    public string ReadInput() => Read(In.ReadToEnd);

    /// <summary>The next line of stdin, null at its end; Ctrl-C ends the waiting.</summary>
    /// <exception cref="OllmException">It is not UTF-8.</exception>
    public string? ReadLine() => Read(In.ReadLine);

    private void Say(string text)
    {
        if (_active is { } bar) bar.Log(text);
        else Err.WriteLine(text);
    }

    private T Read<T>(Func<T> read)
    {
        try
        {
            return Task.Run(read).WaitAsync(Cancellation).GetAwaiter().GetResult();
        }
        catch (DecoderFallbackException error)
        {
            throw new OllmException("stdin: not valid UTF-8", error);
        }
    }

    /// <summary>
    /// Text of a file or a model as it may appear on a terminal or in a line of its own: control characters, which could move
    /// the cursor or end the line, become \u escapes.
    /// </summary>
    public static string Shown(string text, bool keepLines = false)
    {
        if (!text.Any(c => char.IsControl(c))) return text;
        var shown = new StringBuilder(text.Length + 16);
        foreach (char c in text) _ = char.IsControl(c) && !(keepLines && c == '\n') ? shown.Append($"\\u{(int)c:x4}") : shown.Append(c);
        return shown.ToString();
    }

    private static IAnsiConsole ConsoleOn(TextWriter writer, bool terminal)
    {
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = terminal ? AnsiSupport.Detect : AnsiSupport.No,
            ColorSystem = terminal ? ColorSystemSupport.Detect : ColorSystemSupport.NoColors,
            Interactive = terminal ? InteractionSupport.Yes : InteractionSupport.No,
            Out = new AnsiConsoleOutput(writer),
        });
        console.Profile.Width = terminal ? Math.Max(40, WindowWidth()) : UnlimitedWidth;
        return console;
    }

    private static int WindowWidth()
    {
        const int usual = 80;
        try
        {
            return Console.WindowWidth is > 0 and var width ? width : usual;
        }
        catch (IOException)
        {
            return usual;
        }
    }
}
