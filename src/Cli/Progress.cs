using System.Diagnostics;
using System.Globalization;
using Spectre.Console;

namespace OllmNative.Cli;

/// <summary>
/// How far a long command is. Use: <c>using Progress bar = ui.Progress("training", steps); ... bar.Report(step, "loss 0.12");</c>
/// </summary>
internal sealed class Progress : IDisposable
{
    private static readonly TimeSpan LineInterval = TimeSpan.FromSeconds(10);

    private readonly string _title;
    private readonly long _total;
    private readonly IAnsiConsole? _console;
    private readonly TextWriter? _lines;
    private readonly Action _ended;
    private readonly ManualResetEventSlim _finished = new();
    private readonly Thread? _painter;
    private ProgressTask? _task;
    private long _lastLine = Stopwatch.GetTimestamp();

    /// <summary>Starts showing: a bar on <paramref name="console"/>, lines on <paramref name="lines"/>, or nothing.</summary>
    internal Progress(string title, long total, IAnsiConsole? console, TextWriter? lines, Action ended)
    {
        (_title, _total, _console, _lines, _ended) = (title, Math.Max(1, total), console, lines, ended);
        if (console is null) return;
        // Spectre paints for as long as a callback runs; the callback waits on a thread of its own until this object is disposed.
        using var started = new ManualResetEventSlim();
        _painter = new Thread(() => Paint(console, started)) { IsBackground = true, Name = "ollm-progress" };
        _painter.Start();
        started.Wait();
    }

    /// <summary>Says how much is done, and what else is worth a glance. Cheap enough for every step.</summary>
    public void Report(long done, string? note = null)
    {
        if (_task is { } task)
        {
            task.Value = done;
            if (note is not null) task.Description = Markup.Escape($"{_title} {Output.Shown(note)}");
        }
        else if (_lines is not null && Stopwatch.GetElapsedTime(_lastLine) >= LineInterval)
        {
            _lastLine = Stopwatch.GetTimestamp();
            _lines.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{_title}: {done}/{_total} ({100.0 * done / _total:F0} %) {note}").TrimEnd());
        }
    }

    /// <summary>A line above the bar.</summary>
    internal void Log(string text)
    {
        if (_console is not null) _console.WriteLine(text);
        else _lines?.WriteLine(text);
    }

    /// <summary>Takes the bar away.</summary>
    public void Dispose()
    {
        _finished.Set();
        _painter?.Join();
        _finished.Dispose();
        _ended();
    }

    private void Paint(IAnsiConsole console, ManualResetEventSlim started)
    {
        try
        {
            console.Progress()
                .AutoClear(true)
                .Columns(new TaskDescriptionColumn(), new ProgressBarColumn(), new PercentageColumn(), new RemainingTimeColumn(), new SpinnerColumn())
                .Start(context =>
                {
                    _task = context.AddTask(Markup.Escape(_title), maxValue: _total);
                    started.Set();
                    _finished.Wait();
                });
        }
        catch (IOException)
        {
            // A terminal that went away takes its bar with it; the work goes on.
        }
        finally
        {
            started.Set();
        }
    }
}
