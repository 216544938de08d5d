namespace OllmNative.Cli;

/// <summary>Progress of a command with several stages: one bar at a time, a new one for each stage.</summary>
internal sealed class Stages(Output ui) : IDisposable
{
    private string _stage = "";
    private Progress? _bar;

    /// <summary>Says how far a stage is.</summary>
    public void Report(string stage, long done, long total, string note = "")
    {
        if (stage != _stage)
        {
            _bar?.Dispose();
            _bar = ui.Progress(stage, total);
            _stage = stage;
        }
        _bar?.Report(done, note);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _bar?.Dispose();
        _bar = null;
    }
}
