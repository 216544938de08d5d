using System.CommandLine;
using OllmNative.Model;
using OllmNative.Training;

namespace OllmNative.Cli.Commands;

/// <summary><c>ollm eval</c>: token accuracy on completions and answer accuracy on problems.</summary>
internal sealed class EvalCommand
{
    private readonly Option<int> _samples = CommonOptions.Number("--samples", "N, the sampled answers per problem; 0 leaves them out.", 8, 0, 1 << 16);
    private readonly Option<int?> _maxTokens = Answers.MaxTokensOption();
    private readonly Option<float> _temperature = CommonOptions.Number("--temp", "Temperature of the backbone's samples; the policy's samples draw options instead.", 1f, 0f, 1000f);
    private readonly Option<ulong> _seed = CommonOptions.Seed("Names the samples, and the draws of the bootstrap.");
    private readonly Option<int> _bootstrap = CommonOptions.Number("--bootstrap", "Resamples of the bootstrap over problems; 0 leaves the intervals out.", 1000, 0, 1_000_000);
    private readonly Option<string?> _output = CommonOptions.OptionalPath("--out", "A folder for results.jsonl and report.html; without it nothing is written.", "DIR");
    private readonly Option<bool> _resume = new("--resume") { Description = "Keep the rows that results.jsonl in --out has and grade the others; give the same options." };
    private readonly Option<bool> _force = CommonOptions.Force();
    private readonly Option<string?> _judgeExport = CommonOptions.OptionalPath("--judge-export", "Write the outputs as Omni-Judge or GPT-4o grade them: JSON lines in Omni-MATH's form.");
    private readonly Option<string?> _judgeTemplate = CommonOptions.OptionalPath("--judge-template", "Omni-MATH's gpt_evaluation_template.txt: --judge-export then writes each prompt too.");
    private readonly Option<string?> _judgeImport = CommonOptions.OptionalPath("--judge-import", "Read a judge's verdicts and report its accuracies beside ours.");

    private string? _template;
    private IReadOnlyDictionary<(string Problem, string Output), bool>? _verdicts;

    private EvalCommand(Command command)
    {
        Option[] all = [_samples, _maxTokens, _temperature, _seed, _bootstrap, _output, _resume, _force, _judgeExport, _judgeTemplate, _judgeImport];
        foreach (Option option in all) command.Add(option);
    }

    public static Command Create(Output ui)
    {
        var command = new Command("eval", "Measure token accuracy and answer accuracy; with --ollm also the policy's, encoder's and oracle's.");
        var model = new ModelOptions(command, withQuantize: true);
        var data = new DataOptions(command, withLimit: true);
        var options = new EvalCommand(command);
        command.SetAction(parsed => Job.Run(ui, group =>
        {
            if (group.IsFirst) options.CheckOutputs(parsed);
            using ModelSession session = model.Open(parsed, group);
            DataSource source = data.Open(parsed, session, ui);
            List<EvalRow> rows = EvalRow.Read(source, group);
            var settings = new EvalSettings(parsed.GetValue(options._samples), parsed.GetValue(options._maxTokens), parsed.GetValue(options._temperature), parsed.GetValue(options._seed));
            var run = new EvalRun(session, source, rows, settings, ui);
            options.Run(parsed, run, session.Ollm is null ? null : model.OllmFolder(parsed), rows.Count, group, ui);
            if (group.IsFirst) options.Report(parsed, run, session.Ollm is not null, source.Skipped, ui);
        }));
        return command;
    }

    /// <summary>Reads the small inputs and refuses what cannot end well, before hours of work.</summary>
    private void CheckOutputs(ParseResult parsed)
    {
        bool resume = parsed.GetValue(_resume), force = parsed.GetValue(_force);
        if (resume && force) throw new OllmException("--resume and --force exclude each other");
        if (parsed.GetValue(_output) is { } folder)
        {
            if (!resume && !force && EvalLog.HasRows(folder))
                throw new OllmException($"--out {folder}: holds {EvalLog.ResultsFile} already; --resume keeps its rows, --force replaces it");
            Files.PrepareFolder("--out", folder);
        }
        else if (resume)
        {
            throw new OllmException("--resume: expected --out with the folder of the run to go on with");
        }
        if (parsed.GetValue(_judgeExport) is { } export) Files.PrepareFile("--judge-export", export);
        else if (parsed.GetValue(_judgeTemplate) is not null) throw new OllmException("--judge-template: expected --judge-export with it");
        _template = parsed.GetValue(_judgeTemplate) is { } template ? JudgeFile.ReadTemplate(template) : null;
        _verdicts = parsed.GetValue(_judgeImport) is { } import ? JudgeFile.Import(import) : null;
    }

    private void Run(ParseResult parsed, EvalRun run, string? ollmFolder, int rows, ProcessGroup group, Output ui)
    {
        string? folder = parsed.GetValue(_output);
        group.RequireSame("their rows or options", string.Join(' ', run.RunSettings(ollmFolder)) + run.Identity);
        using EvalLog? log = folder is null ? null : EvalLog.Open(folder, run.RunSettings(ollmFolder), ollmFolder is not null, parsed.GetValue(_resume), group);
        try
        {
            run.Run(log, group);
        }
        catch (OperationCanceledException) when (folder is not null)
        {
            ui.Log(Kept());
            throw;
        }
        catch (OllmException error) when (folder is not null && run.Done > run.Kept)
        {
            throw new OllmException($"{error.Message}; {Kept()}", error);
        }

        string Kept() => $"{run.Done} of {rows} rows are graded and kept in {folder}{(group.IsDistributed ? ", and those of the other processes" : "")}; --resume goes on";
    }

    private void Report(ParseResult parsed, EvalRun run, bool withOllm, int skipped, Output ui)
    {
        if (parsed.GetValue(_judgeExport) is { } export)
        {
            ui.Log($"{JudgeFile.Export(export, run.Problems, _template)} outputs written to {export}");
        }
        int resamples = parsed.GetValue(_bootstrap);
        var summary = new EvalSummary(run.Results, withOllm, run.Settings.Samples, new Bootstrap(resamples, parsed.GetValue(_seed)));
        JudgeComparison? judge = _verdicts is null ? null : new JudgeComparison(parsed.GetValue(_judgeImport)!, _verdicts, run.Problems, summary.AnswerNames);
        var report = new EvalReport(run, summary, ProblemGroups.Of(run.Problems), judge, resamples);
        string? folder = parsed.GetValue(_output);
        if (folder is not null) report.Save(Path.Combine(folder, "report.html"), parsed);
        report.Print(ui);
        if (folder is not null) ui.Line($"results.jsonl and report.html are in {folder}");
        ui.Result(report.Json(run.Results.Count, skipped, folder));
    }
}
