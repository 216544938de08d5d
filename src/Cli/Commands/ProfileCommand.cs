using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using OllmNative.Model;
using OllmNative.Runtime.Extensions;

namespace OllmNative.Cli.Commands;

/// <summary><c>ollm profile -- COMMAND</c>: another command in this process, with every operation and every kernel launch timed.</summary>
internal static class ProfileCommand
{
    private sealed record Share(string Name, int Count, double TotalMilliseconds, double MeanMicroseconds, double Fraction);

    public static Command Create(Output ui)
    {
        Option<string?> trace = CommonOptions.OptionalPath("--trace", "Also write a trace that Perfetto and chrome://tracing open.");
        var words = new Argument<string[]>("COMMAND") { Description = "An ollm command with its options, after --.", Arity = ArgumentArity.OneOrMore };
        var command = new Command("profile", "Run a command and tell where its time goes: ollm profile -- bench prefill --model DIR.") { trace, words };
        command.SetAction(parsed => Run(ui, parsed.GetValue(words)!, parsed.GetValue(trace)));
        return command;
    }

    private static int Run(Output ui, string[] words, string? trace)
    {
        if (words[0] == "profile") throw new OllmException("profile: 'profile' is no command that can be profiled");
        if (trace is not null) Files.PrepareFile("--trace", trace);
        using LaunchProfiler launches = LaunchProfiler.Start();
        using OperationProfile operations = OperationProfile.Start();
        // With --json stdout carries the profile; the command's own results go where people still see them.
        int code = OllmCli.Run(words, ui.Json ? ui.Err : ui.Out, ui.Err, ui.In, cancellation: ui.Cancellation);
        IReadOnlyList<OperationTiming> host = operations.Read();
        IReadOnlyList<LaunchTiming> device = launches.Read();
        Share[] operationShares = Shares(host.Select(timing => (timing.Operation, timing.Microseconds)));
        Share[] kernelShares = Shares(device.Select(timing => (timing.Kernel, timing.Microseconds)));

        ui.Line();
        Show(ui, "operation", "time of the calling thread; launches on a GPU only start there", operationShares);
        Show(ui, "kernel", "time of the device", kernelShares);
        if (trace is not null)
        {
            DurableFiles.Write(trace, file => WriteTrace(file, host, device));
            ui.Log($"trace written to {trace}");
        }
        ui.Result(new { exit_code = code, operations = operationShares, kernels = kernelShares, trace });
        return code;
    }

    private static Share[] Shares(IEnumerable<(string Name, double Microseconds)> timings)
    {
        (string Name, double Microseconds)[] all = [.. timings];
        double total = all.Sum(timing => timing.Microseconds);
        return [.. all.GroupBy(timing => timing.Name)
            .Select(group => (group.Key, Count: group.Count(), Sum: group.Sum(timing => timing.Microseconds)))
            .OrderByDescending(group => group.Sum)
            .Select(group => new Share(group.Key, group.Count, group.Sum / 1000, group.Sum / group.Count, group.Sum / total))];
    }

    private static void Show(Output ui, string title, string clock, Share[] shares)
    {
        if (shares.Length == 0)
        {
            ui.Line($"no {title} ran");
            return;
        }
        static string Number(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);
        ui.Line($"{title}s: {clock}");
        ui.Table(
            [title, "count", "total ms", "mean us", "share"],
            shares.Select(share => (IReadOnlyList<string>)
                [share.Name, Number(share.Count, "F0"), Number(share.TotalMilliseconds, "F3"), Number(share.MeanMicroseconds, "F1"), Number(100 * share.Fraction, "F1") + " %"]),
            1, 2, 3, 4);
    }

    /// <summary>The Trace Event Format of Chrome: one complete event ("X") each, times in microseconds; operations and kernels as two threads.</summary>
    private static void WriteTrace(Stream file, IReadOnlyList<OperationTiming> operations, IReadOnlyList<LaunchTiming> launches)
    {
        const int operationThread = 1, kernelThread = 2;
        using var json = new Utf8JsonWriter(file);
        json.WriteStartObject();
        json.WriteStartArray("traceEvents");
        NameThread(json, operationThread, "operations");
        NameThread(json, kernelThread, "kernels");
        foreach (OperationTiming timing in operations) WriteEvent(json, timing.Operation, operationThread, timing.StartMicroseconds, timing.Microseconds, null);
        foreach (LaunchTiming timing in launches)
            WriteEvent(json, timing.Kernel, kernelThread, timing.StartMicroseconds, timing.Microseconds, FormattableString.Invariant($"{timing.Groups} groups of {timing.Threads} on {timing.Device}"));
        json.WriteEndArray();
        json.WriteString("displayTimeUnit", "ms");
        json.WriteEndObject();
    }

    private static void NameThread(Utf8JsonWriter json, int thread, string name)
    {
        json.WriteStartObject();
        json.WriteString("name", "thread_name");
        json.WriteString("ph", "M");
        json.WriteNumber("pid", 1);
        json.WriteNumber("tid", thread);
        json.WriteStartObject("args");
        json.WriteString("name", name);
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void WriteEvent(Utf8JsonWriter json, string name, int thread, double start, double duration, string? layout)
    {
        json.WriteStartObject();
        json.WriteString("name", name);
        json.WriteString("ph", "X");
        json.WriteNumber("pid", 1);
        json.WriteNumber("tid", thread);
        json.WriteNumber("ts", start);
        json.WriteNumber("dur", duration);
        if (layout is not null)
        {
            json.WriteStartObject("args");
            json.WriteString("layout", layout);
            json.WriteEndObject();
        }
        json.WriteEndObject();
    }
}
