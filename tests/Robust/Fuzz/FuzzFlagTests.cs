using System.CommandLine;
using System.Diagnostics;
using System.Text.RegularExpressions;
using OllmNative.Cli;

namespace OllmNative.Tests;

/// <summary>Values of numeric options: what is no number of the option's range is refused by name, and what is just inside it never crashes.</summary>
public sealed partial class FuzzFlagTests
{
    private static readonly string[] NeverValid =
    [
        "", " ", "x", "NaN", "-NaN", "inf", "-inf", "Infinity", "∞", "1e999", "-1e999", "-99999999999999999999999", "0x10", "1,5", "1.5.5", "--", "\u0661", "1e", "1e99999999999999999999",
    ];

    private readonly CliTextModel _model = new();

    /// <summary>Every option with a numeric value of every command, and the words before it.</summary>
    private static IEnumerable<(string[] Command, Option Option)> NumericOptions()
    {
        using var nowhere = new StringWriter();
        using var nothing = new StringReader("");
        RootCommand root = OllmCli.CreateRoot([], new Output(nowhere, nowhere, nothing, default, CancellationToken.None), CommonOptions.Json());
        var waiting = new Queue<(string[] Words, Command Command)>(root.Subcommands.Select(command => ((string[])[command.Name], command)));
        while (waiting.TryDequeue(out (string[] Words, Command Command) at))
        {
            foreach (Command below in at.Command.Subcommands) waiting.Enqueue(([.. at.Words, below.Name], below));
            foreach (Option option in at.Command.Options.Where(option => IsNumber(Nullable.GetUnderlyingType(option.ValueType) ?? option.ValueType))) yield return (at.Words, option);
        }

        static bool IsNumber(Type type) => type == typeof(int) || type == typeof(ulong) || type == typeof(double) || type == typeof(float);
    }

    [Fact]
    public void NumericOption_NoNumberOfItsRange_IsRefusedByName()
    {
        int options = 0;
        foreach ((string[] command, Option option) in NumericOptions())
        {
            options++;
            foreach (string value in NeverValid)
            {
                CliRun run = CliRun.Of([.. command, $"{option.Name}={value}"]);
                string where = $"{string.Join(' ', command)} {option.Name} '{value}': {run.Error}";
                Assert.True(run.Code == 2 && run.Out.Length == 0, where);
                Assert.True(run.Error.StartsWith("error: ", StringComparison.Ordinal) && run.Error.Contains(option.Name, StringComparison.Ordinal), where);
                Assert.False(run.Error.Contains("Exception", StringComparison.Ordinal), where);
            }
        }
        Assert.True(options > 80, $"{options} numeric options were found");
    }

    /// <summary>The ends of each range, in whole command lines: done, refused with a message, or still running when it is stopped.</summary>
    [Fact]
    public void NumericOption_EndsOfItsRange_NeverCrash()
    {
        Dictionary<string, string[]> lines = CommandLines();
        (string[] Command, Option Option)[] options = [.. NumericOptions().Where(one => lines.ContainsKey(string.Join(' ', one.Command)))];
        double seconds = FuzzRun.Seconds;
        var random = new Random(FuzzRun.Seed);
        random.Shuffle(options);
        long start = Stopwatch.GetTimestamp();
        int runs = 0;
        foreach ((string[] command, Option option) in options)
        {
            if (Stopwatch.GetElapsedTime(start).TotalSeconds > seconds) break;
            foreach (string value in Ends(command, option))
            {
                string[] args = With(lines[string.Join(' ', command)], option.Name, value);
                using var stop = new CancellationTokenSource(TimeSpan.FromSeconds(0.7));
                long begin = Stopwatch.GetTimestamp();
                CliRun run = CliRun.Until("1 + 2\n", [.. command, .. args], stop.Token);
                string where = $"{string.Join(' ', command)} {option.Name} {value}: code {run.Code} after {Stopwatch.GetElapsedTime(begin).TotalSeconds:F1} s: {run.Error}";
                Assert.True(run.Code is 0 or 2 or 130, where);
                Assert.False(run.Error.Contains("Exception", StringComparison.Ordinal), where);
                Assert.True(Stopwatch.GetElapsedTime(begin).TotalSeconds < 20, where);
                runs++;
            }
        }
        Assert.True(runs > 0);
    }

    /// <summary>The smallest and the largest value that the option's own message names.</summary>
    private static string[] Ends(string[] command, Option option)
    {
        string error = CliRun.Of([.. command, $"{option.Name}=x"]).Error;
        Match range = Range().Match(error[error.IndexOf(option.Name + ": 'x'", StringComparison.Ordinal)..]);
        Assert.True(range.Success, error);
        Type type = Nullable.GetUnderlyingType(option.ValueType) ?? option.ValueType;
        // A step is made to its end, so one of millions of rows would take minutes.
        if (command is ["train"] && option.Name is "--batch-size" or "--grad-accum") return [range.Groups["min"].Value, "300"];
        string most = type == typeof(int) ? "2147483647" : type == typeof(ulong) ? "18446744073709551615" : type == typeof(float) ? "3e38" : "1.7e308";
        return [range.Groups["min"].Value, range.Groups["max"].Success ? range.Groups["max"].Value : most];
    }

    private static string[] With(string[] line, string name, string value)
    {
        int at = Array.IndexOf(line, name);
        return at < 0 ? [.. line, name, value] : [.. line[..(at + 1)], value, .. line[(at + 2)..]];
    }

    /// <summary>A small run of each command that has numbers to set.</summary>
    private Dictionary<string, string[]> CommandLines()
    {
        string rows = _model.WriteRows(4), config = _model.At("shape.json");
        File.WriteAllText(config, CliRun.TinyConfig);
        string[] model = ["--model", _model.Folder], ollm = [.. model, "--ollm", _model.NewOllm()];
        string Out(string name) => _model.At("out-" + name);
        return new Dictionary<string, string[]>
        {
            ["train"] = [.. model, "--data", rows, "--out", Out("train"), "--force", "--steps", "1", "--options", "3", "--latent-width", "8"],
            ["rl"] = [.. ollm, "--data", rows, "--out", Out("rl"), "--force", "--steps", "1", "--batch-size", "2", "--rollouts", "2", "--max-tokens", "3"],
            ["eval"] = [.. ollm, "--data", rows, "--samples", "1", "--max-tokens", "3", "--bootstrap", "10"],
            ["generate"] = [.. ollm, "--prompt", "1 + 2", "--max-tokens", "3"],
            ["chat"] = [.. ollm, "--max-tokens", "3"],
            ["options"] = [.. ollm, "--prompt", "1 + 2", "--steps", "2"],
            ["options-report"] = [.. ollm, "--data", rows],
            ["search"] = [.. ollm, "--data", rows, "--samples", "1", "--max-tokens", "3"],
            ["diagnose"] = [.. model, "--data", rows],
            ["init"] = [.. model, "--out", Out("init"), "--force", "--options", "3", "--latent-width", "8"],
            ["init-backbone"] = ["--config", config, "--out", Out("backbone"), "--force"],
            ["data tiny"] = ["--rows", "3", "--out", Out("rows.jsonl")],
            ["bench prefill"] = [.. model, "--tokens", "8", "--repeats", "1"],
            ["bench decode"] = [.. model, "--tokens", "4", "--repeats", "1"],
            ["bench train"] = [.. model, "--tokens", "8", "--repeats", "1"],
            ["serve"] = [.. ollm, "--port", "0"],
        };
    }

    [GeneratedRegex(@"expected an? (?:number|integer) (?:of at least (?<min>[-0-9.eE+]+)|from (?<min>[-0-9.eE+]+) to (?<max>[-0-9.eE+]+)|above (?<min>[-0-9.eE+]+) and at most (?<max>[-0-9.eE+]+))")]
    private static partial Regex Range();
}
