using System.CommandLine;
using OllmNative.Cli.Commands;
using OllmNative.Model;

namespace OllmNative.Cli;

/// <summary>
/// The <c>ollm</c> program. Exit codes: 0 done; 2 bad usage or bad input (one line <c>error: ...</c>); 1 any other failure;
/// 130 after Ctrl-C. OLLM_DEBUG=1 adds the stack trace to an error.
/// </summary>
public static class OllmCli
{
    /// <summary>Exit code after Ctrl-C.</summary>
    internal const int Interrupted = 130;

    private const int Done = 0, Failed = 1, BadInput = 2;

    /// <summary>Every command: its name, and what builds it.</summary>
    private static readonly (string Name, Func<Output, Command> Create)[] Commands =
    [
        ("demo", DemoCommand.Create),
        ("data", DataCommand.Create),
        ("inspect", InspectCommand.Create),
        ("tokenize", TokenizeCommand.Create),
        ("init", InitCommand.Create),
        ("train", TrainCommand.Create),
        ("rl", RlCommand.Create),
        ("eval", EvalCommand.Create),
        ("generate", GenerateCommand.Create),
        ("chat", ChatCommand.Create),
        ("options", OptionsCommand.Create),
        ("options-report", OptionsReportCommand.Create),
        ("search", SearchCommand.Create),
        ("ablate", AblateCommand.Create),
        ("serve", ServeCommand.Create),
        ("diagnose", DiagnoseCommand.Create),
        ("grade", GradeCommand.Create),
        ("forward", ForwardCommand.Create),
        ("bench", BenchCommand.Create),
        ("kernels", KernelsCommand.Create),
        ("devices", DevicesCommand.Create),
#if !ILGPU
        ("selftest", SelftestCommand.Create),
#endif
        ("profile", ProfileCommand.Create),
        ("init-backbone", InitBackboneCommand.Create),
    ];

    /// <summary>Runs one command line and returns the exit code; nothing is thrown.</summary>
    /// <param name="args">Arguments without the program's name.</param>
    /// <param name="stdout">Takes results; it is flushed.</param>
    /// <param name="stderr">Takes progress, logs and errors.</param>
    /// <param name="stdin">Gives text where a command asks for it.</param>
    /// <param name="terminal">Which of the two outputs a person is looking at.</param>
    /// <param name="cancellation">Asks the command to stop: Ctrl-C.</param>
    public static int Run(
        string[] args, TextWriter stdout, TextWriter stderr, TextReader stdin, TerminalUse terminal = default, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(args);
        var ui = new Output(stdout, stderr, stdin, terminal, cancellation);
        int code;
        try
        {
            code = Invoke(args, ui);
        }
#pragma warning disable CA1031 // The last resort of the program: every failure becomes a message and an exit code.
        catch (Exception error)
#pragma warning restore CA1031
        {
            code = Report(error, ui);
        }
        return Flush(ui, code);
    }

    private static int Invoke(string[] args, Output ui)
    {
        Option<bool> json = CommonOptions.Json();
        RootCommand root = CreateRoot(args, ui, json);
        // Arguments are taken as they are: no response files (@name), no bundles of letters.
        ParseResult parsed = root.Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null, EnablePosixBundling = false });
        if (parsed.Errors.Count > 0)
        {
            ui.Error(string.Join("; ", parsed.Errors.Select(error => error.Message.TrimEnd('.')).Distinct()));
            ui.Log($"Try: {HelpOf(parsed)}");
            return BadInput;
        }
        ui.Json = parsed.GetValue(json);
        var configuration = new InvocationConfiguration
        {
            EnableDefaultExceptionHandler = false,
            ProcessTerminationTimeout = null,
            Output = ui.Out,
            Error = ui.Err,
        };
        return parsed.InvokeAsync(configuration, ui.Cancellation).GetAwaiter().GetResult();
    }

    /// <summary>
    /// All commands, or only the one that the first argument names: building the rest would be the larger part of the time
    /// that a small command takes.
    /// </summary>
    internal static RootCommand CreateRoot(string[] args, Output ui, Option<bool> json)
    {
        var root = new RootCommand("Options-based language models: training and inference.") { json };
        root.HelpName = "ollm";
        foreach ((string name, Func<Output, Command> create) in Commands)
        {
            bool only = args.Length > 0 && args[0] == name;
            if (only || !Commands.Any(command => args.Length > 0 && command.Name == args[0])) root.Add(create(ui));
        }
        root.SetAction(_ => PrintWelcome(root, ui));
        return root;
    }

    private static void PrintWelcome(RootCommand root, Output ui)
    {
        ui.Line("ollm: options-based language models, training and inference.");
        ui.Line();
        foreach (Command command in root.Subcommands.Where(command => !command.Hidden)) ui.Line($"  ollm {command.Name,-14} {command.Description}");
        ui.Line();
        ui.Line("`ollm COMMAND --help` explains one. A model is a folder with config.json, tokenizer.json and *.safetensors files.");
    }

    private static string HelpOf(ParseResult parsed)
    {
        var names = new List<string> { "--help" };
        for (System.CommandLine.Parsing.SymbolResult? at = parsed.CommandResult; at is not null; at = at.Parent)
            if (at is System.CommandLine.Parsing.CommandResult { Command: not RootCommand } command) names.Insert(0, command.Command.Name);
        return $"ollm {string.Join(' ', names)}";
    }

    /// <summary>The exit code that an error stands for.</summary>
    internal static int CodeOf(Exception error, Output ui) => IsInterruption(error, ui) ? Interrupted : IsInput(error) ? BadInput : Failed;

    private static bool IsInterruption(Exception error, Output ui) => 
        error is OperationCanceledException && (ui.Cancellation.IsCancellationRequested || ui.InJob);

    private static bool IsInput(Exception error) =>
        error is OllmException or FileNotFoundException or DirectoryNotFoundException or UnauthorizedAccessException or PathTooLongException;

    /// <summary>Says what went wrong and returns the exit code.</summary>
    internal static int Report(Exception error, Output ui)
    {
        if (IsInterruption(error, ui))
        {
            ui.Interrupted();
            return Interrupted;
        }
        bool input = IsInput(error), debug = Environment.GetEnvironmentVariable("OLLM_DEBUG") == "1";
        ui.Error(input || error is IOException ? error.Message : $"{error.GetType().Name}: {error.Message}");
        if (debug) ui.Log(error.ToString());
        else if (!input) ui.Log("Set OLLM_DEBUG=1 to see where it happened.");
        return input ? BadInput : Failed;
    }

    private static int Flush(Output ui, int code)
    {
        try
        {
            ui.Out.Flush();
            ui.Err.Flush();
            return code;
        }
        catch (IOException error)
        {
            ui.Error($"the output cannot be written: {error.Message}");
            return code == Done ? Failed : code;
        }
    }
}
