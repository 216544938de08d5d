using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using System.Numerics;
using OllmNative.Model;
using OllmNative.Training;

namespace OllmNative.Cli;

/// <summary>Options that several commands share, and makers of options whose values are checked while parsing.</summary>
internal static class CommonOptions
{
    /// <summary>--json, on every command.</summary>
    public static Option<bool> Json() => new("--json") { Description = "Print one JSON object on stdout and nothing else there.", Recursive = true };

    /// <summary>--model DIR.</summary>
    public static Option<string> Model() => Path("--model", "The backbone: a folder with config.json and safetensors files.", "DIR");

    /// <summary>--ollm DIR.</summary>
    public static Option<string?> Ollm() => OptionalPath("--ollm", "The OLLM: a folder with ollm.json and ollm.safetensors.", "DIR");

    /// <summary>--device auto|cpu|cuda|emulator.</summary>
    public static Option<string> Device() => Choice("--device", "Where to compute; auto takes the best that there is.", "auto", [.. DeviceChoice.Names]);

    /// <summary>--threads N.</summary>
    public static Option<int> Threads() => Number("--threads", "Processor threads; 0 takes one for each core.", 0, 0, 1024);

    /// <summary>--quantize none|int8.</summary>
    public static Option<string> Quantize() =>
        Choice("--quantize", "Hold the backbone's matrices in fewer bits while running: decoding reads half as much and rounds more", "none", "none", "int8");

    /// <summary>--seed S.</summary>
    public static Option<ulong> Seed(string description) => Number("--seed", description, 0UL, 0UL, ulong.MaxValue);

    /// <summary>--chat-format NAME.</summary>
    public static Option<string> ChatFormat() =>
        Choice("--chat-format", "How conversations are written; auto takes the model's own.", "auto", ["auto", .. OllmNative.Model.ChatFormat.Names]);

    /// <summary>The format that a value of --chat-format names.</summary>
    public static ChatFormat ChatFormatOf(string name, ModelSession session) => name == "auto" ? session.ChatFormat : OllmNative.Model.ChatFormat.Parse(name);

    /// <summary>--force, for commands that replace files only when told.</summary>
    public static Option<bool> Force() => new("--force") { Description = "Replace what --out holds already." };

    /// <summary>A file or folder that must be given.</summary>
    public static Option<string> Path(string name, string description, string helpName = "FILE") =>
        new(name) { Description = description, HelpName = helpName, Required = true };

    /// <summary>A file or folder that may be given.</summary>
    public static Option<string?> OptionalPath(string name, string description, string helpName = "FILE") =>
        new(name) { Description = description, HelpName = helpName };

    /// <summary>One of some words.</summary>
    public static Option<string> Choice(string name, string description, string fallback, params string[] words)
    {
        var option = new Option<string>(name)
        {
            Description = $"{description.TrimEnd('.')}: {string.Join(", ", words)}.",
            HelpName = "WORD",
            DefaultValueFactory = _ => fallback,
            CustomParser = result =>
            {
                string word = result.Tokens[0].Value;
                if (!words.Contains(word)) result.AddError($"{name}: '{word}' is not known, expected {string.Join(", ", words)}");
                return word;
            },
        };
        option.CompletionSources.Add(words);
        return option;
    }

    /// <summary>A number in [<paramref name="min"/>, <paramref name="max"/>]; required when there is no <paramref name="fallback"/>.</summary>
    public static Option<T> Number<T>(string name, string description, T? fallback, T min, T max) where T : struct, INumber<T>, IMinMaxValue<T>
    {
        var option = new Option<T>(name) { Description = description, HelpName = "N", CustomParser = result => Parse(result, name, min, max) };
        if (fallback is { } value) option.DefaultValueFactory = _ => value;
        else option.Required = true;
        return option;
    }

    /// <summary>A number in [<paramref name="min"/>, <paramref name="max"/>], or null when it is not given.</summary>
    public static Option<T?> OptionalNumber<T>(string name, string description, T min, T max) where T : struct, INumber<T>, IMinMaxValue<T> =>
        new(name) { Description = description, HelpName = "N", CustomParser = result => Parse(result, name, min, max) };

    private static T Parse<T>(ArgumentResult result, string name, T min, T max) where T : struct, INumber<T>, IMinMaxValue<T>
    {
        string text = result.Tokens[0].Value;
        if (T.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out T value) && value >= min && value <= max) return value;
        bool integer = T.One / (T.One + T.One) == T.Zero;
        string range = max == T.MaxValue ? $"of at least {min}" : T.IsSubnormal(min) ? $"above 0 and at most {max}" : $"from {min} to {max}";
        result.AddError(string.Create(CultureInfo.InvariantCulture, $"{name}: '{text}' is not valid, expected {(integer ? "an integer" : "a number")} {range}"));
        return min;
    }
}

/// <summary>The options of every command that runs a model.</summary>
internal sealed class ModelOptions
{
    private readonly Option<string> _model = CommonOptions.Model();
    private readonly Option<string?>? _ollm;
    private readonly Option<string> _device = CommonOptions.Device();
    private readonly Option<int> _threads = CommonOptions.Threads();
    private readonly Option<string>? _quantize;

    /// <summary>Adds --model, --device, --threads and, unless <paramref name="withOllm"/> is false, --ollm to a command.</summary>
    /// <param name="command">The command.</param>
    /// <param name="withOllm">The command can work with an OLLM.</param>
    /// <param name="ollmRequired">It cannot work without one.</param>
    /// <param name="withQuantize">The command decodes, and takes --quantize.</param>
    public ModelOptions(Command command, bool withOllm = true, bool ollmRequired = false, bool withQuantize = false)
    {
        command.Add(_model);
        if (withOllm)
        {
            command.Add(_ollm = CommonOptions.Ollm());
            _ollm.Required = ollmRequired;
        }
        command.Add(_device);
        command.Add(_threads);
        if (withQuantize) command.Add(_quantize = CommonOptions.Quantize());
    }

    /// <summary>The folder of --ollm; null when none was given.</summary>
    public string? OllmFolder(ParseResult parsed) => _ollm is null ? null : parsed.GetValue(_ollm);

    /// <summary>Opens what the command line names.</summary>
    /// <exception cref="OllmException">The device is not there, or a folder is missing, malformed or does not fit.</exception>
    /// <param name="parsed">The command line.</param>
    /// <param name="group">The job that this process is part of: without --threads it takes its fair share of the processors.</param>
    public ModelSession Open(ParseResult parsed, ProcessGroup? group = null)
    {
        int threads = parsed.GetValue(_threads);
        if (threads == 0 && group is { IsDistributed: true }) threads = group.FairThreads;
        WeightFormat format = _quantize is not null && parsed.GetValue(_quantize) == "int8" ? WeightFormat.Int8 : WeightFormat.AsStored;
        return ModelSession.Open(
            parsed.GetValue(_model)!, _ollm is null ? null : parsed.GetValue(_ollm), parsed.GetValue(_device)!, threads, format, group?.LocalRank ?? 0);
    }
}
