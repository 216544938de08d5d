using System.Diagnostics;

namespace OllmNative.Tests;

/// <summary>The program in a process of its own, which a test may kill.</summary>
internal sealed class OllmProcess : IDisposable
{
    private readonly Process _process;
    private readonly Task<string> _out, _error;

    private OllmProcess(Process process)
    {
        _process = process;
        (_out, _error) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
    }

    /// <summary>The program's assembly beside the tests.</summary>
    public static string Program { get; } = Path.Combine(AppContext.BaseDirectory, "ollm.dll");

    public bool HasExited => _process.HasExited;

    public int Id => _process.Id;

    /// <summary>Starts <c>ollm args</c>.</summary>
    public static OllmProcess Start(params string[] args) => StartProgram("dotnet", [Program, .. args]);

    /// <summary>Starts <c>ollm args</c> through a launcher: a shell that sets a limit, mpirun.</summary>
    public static OllmProcess StartProgram(string program, IEnumerable<string> args, params (string Name, string Value)[] environment)
    {
        var start = new ProcessStartInfo(program, args) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["DOTNET_TieredCompilation"] = "1";
        foreach ((string name, string value) in environment) start.Environment[name] = value;
        return new OllmProcess(Process.Start(start)!);
    }

    /// <summary>SIGKILL: nothing of the process runs any more.</summary>
    public void Kill() => _process.Kill();

    /// <summary>SIGKILL for a launcher and everything that it has started.</summary>
    public void KillTree() => _process.Kill(entireProcessTree: true);

    /// <summary>Waits for the end.</summary>
    public CliRun Wait(int seconds = 60)
    {
        if (!_process.WaitForExit(TimeSpan.FromSeconds(seconds)))
        {
            _process.Kill(entireProcessTree: true);
            Assert.Fail($"the program did not end in {seconds} s; so far it said: {_error.Result}");
        }
        return new CliRun(_process.ExitCode, _out.Result.ReplaceLineEndings("\n"), _error.Result.ReplaceLineEndings("\n"));
    }

    public void Dispose()
    {
        if (!_process.HasExited) _process.Kill(entireProcessTree: true);
        _process.Dispose();
    }
}
