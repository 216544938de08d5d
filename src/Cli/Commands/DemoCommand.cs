using System.CommandLine;
using System.Globalization;
using OllmNative.Model;
using OllmNative.Training;

namespace OllmNative.Cli.Commands;

/// <summary><c>ollm demo</c>: the whole method on the tiny model that comes with the program.</summary>
internal static class DemoCommand
{
    public static Command Create(Output ui)
    {
        var command = new Command("demo", "Show the whole method on a tiny model in minutes: data, training, latent RL, evaluation, a report.");
        Option<string?> model = CommonOptions.OptionalPath("--model", "Another tiny-world backbone; the one that comes with the program by default.", "DIR");
        var output = new Option<string>("--out") { Description = "Where data, models and the report go.", HelpName = "DIR", DefaultValueFactory = _ => Path.Combine("runs", "demo") };
        Option<string> device = CommonOptions.Device();
        Option<int> threads = CommonOptions.Threads();
        Option<ulong> seed = CommonOptions.Number("--seed", "Names the random numbers of the whole demo.", 1UL, 0UL, ulong.MaxValue);
        Option<int> steps = CommonOptions.Number("--steps", "Optimizer steps of each supervised run.", new DemoOptions().TrainSteps, 1, 1_000_000);
        Option<int> rlSteps = CommonOptions.Number("--rl-steps", "Updates of latent RL.", new DemoOptions().RlSteps, 1, 1_000_000);
        var small = new Option<bool>("--small") { Description = "As little of everything as goes through all of it, in place of --steps and --rl-steps: whether it runs." };
        foreach (Option option in (Option[])[model, output, device, threads, seed, steps, rlSteps, small]) command.Add(option);
        command.SetAction(parsed =>
        {
            DemoOptions options = parsed.GetValue(small)
                ? DemoOptions.Small with { Seed = parsed.GetValue(seed) }
                : new DemoOptions { Seed = parsed.GetValue(seed), TrainSteps = parsed.GetValue(steps), RlSteps = parsed.GetValue(rlSteps) };
            Run(ui, parsed.GetValue(model) ?? ShippedModel, parsed.GetValue(output)!, parsed.GetValue(device)!, parsed.GetValue(threads), options);
        });
        return command;
    }

    /// <summary>The tiny model beside the program.</summary>
    internal static string ShippedModel => Path.Combine(AppContext.BaseDirectory, "weights", "tiny-qwen2");

    private static void Run(Output ui, string model, string folder, string device, int threads, DemoOptions options)
    {
        Files.PrepareFolder("--out", folder);
        using ModelSession session = ModelSession.Open(model, device: device, threads: threads);
        ui.Log($"{session.Device.Description}; backbone of {Format.Count(session.Backbone.ParameterCount)} parameters, frozen");
        using var stages = new Stages(ui);
        var demo = new DemoRun(session.Backbone, session.Tokenizer, options, folder) { OnProgress = (stage, done, total, note) => stages.Report(stage, done, total, note) };
        DemoResult result = demo.Run(ui.Cancellation);
        stages.Dispose();

        string page = Path.Combine(folder, "report.html");
        DemoReport.Page(result, options).Save(page);
        foreach (DemoTrace trace in result.Traces) ShowTrace(ui, trace);
        ui.Table(DemoReport.AnswerHeaders(options.Samples), DemoReport.AnswerRows(result), 1, 2, 3, 4);
        TokenAccuracy t = result.TokenAccuracy;
        ui.Line($"next token right: backbone {DemoReport.Percent(t.Backbone)}, policy's option {DemoReport.Percent(t.Policy)}, "
            + $"encoder's option {DemoReport.Percent(t.Encoder)}, any option {DemoReport.Percent(t.Oracle)}");
        ui.Line(string.Create(CultureInfo.InvariantCulture, $"report: {page}   ({result.Seconds:F0} s)"));
        string json = JsonOutput.Serialize(DemoReport.Json(result, options.Samples));
        DurableFiles.WriteText(Path.Combine(folder, "result.json"), json + "\n");
        if (ui.Json) ui.Result(DemoReport.Json(result, options.Samples));
        else ui.Line(json);
    }

    /// <summary>Each step: the token taken, and what the other options would have said.</summary>
    private static void ShowTrace(Output ui, DemoTrace trace)
    {
        ui.Line($"{trace.Problem}   right answer {trace.Expected}; the policy wrote: {trace.Text}");
        ui.Table(["token", "policy", "other options"], trace.Steps.Select(step => new[]
        {
            step.Token,
            DemoReport.Percent(step.Options[step.Chosen].PolicyProbability),
            string.Join("  ", step.Options.Select(o => o.TopToken).Where(token => token != step.Token).Distinct()),
        }), 1);
        ui.Line();
    }
}
