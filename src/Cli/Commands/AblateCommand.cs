using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using System.Numerics;
using OllmNative.Model;
using OllmNative.Training;

namespace OllmNative.Cli.Commands;

/// <summary><c>ollm ablate</c>: what K, the KL target, the start of beta and RL's choice of unit do on the tiny world, over several seeds.</summary>
internal static class AblateCommand
{
    private static readonly StudyOptions Defaults = new();

    public static Command Create(Output ui)
    {
        var command = new Command(
            "ablate", "Studies on the tiny world over several seeds: number of options, KL target, start of beta, RL on options against tokens. Run it again to go on.");
        Option<string?> model = CommonOptions.OptionalPath("--model", "Another tiny-world backbone; the one that comes with the program by default.", "DIR");
        var output = new Option<string>("--out") { Description = "Where runs, models and the report go; runs that are there are kept.", HelpName = "DIR", DefaultValueFactory = _ => Path.Combine("runs", "ablate") };
        Option<int> threads = CommonOptions.Threads();
        Option<bool> force = new("--force") { Description = "Make all runs again." };
        foreach (Option option in (Option[])[model, output, threads, force]) command.Add(option);
        var flags = new Flags(command);
        command.SetAction(parsed =>
        {
            string folder = parsed.GetValue(output)!;
            StudyOptions options = flags.Read(parsed);
            Files.PrepareFolder("--out", folder);
            using RunLock held = RunLock.Take(folder);
            if (parsed.GetValue(force)) Clear(folder);
            using ModelSession session = ModelSession.Open(parsed.GetValue(model) ?? DemoCommand.ShippedModel, threads: parsed.GetValue(threads));
            Run(ui, session, options, flags.Kinds(parsed), folder);
        });
        return command;
    }

    private static void Run(Output ui, ModelSession session, StudyOptions options, IReadOnlyList<StudyKind> kinds, string folder)
    {
        using var stages = new Stages(ui);
        var lab = new StudyLab(session.Backbone, session.Tokenizer, options, folder) { OnProgress = (stage, done, total) => stages.Report(stage, done, total) };
        var ablation = new Ablation(lab, options, kinds);
        var report = new StudyReport(options.Samples);
        string page = Path.Combine(folder, "report.html");
        int total = ablation.Runs;
        IReadOnlyList<StudyTable> tables = ablation.Run(
            soFar =>
            {
                report.Page(soFar).Save(page);
                ui.Log($"{ablation.Done} of {total} runs");
            },
            ui.Cancellation);
        stages.Dispose();
        report.Page(tables).Save(page);
        foreach (StudyTable table in tables)
        {
            ui.Line(StudyReport.Title(table.Kind));
            ui.Table(report.Headers(table.Kind), report.Rows(table));
        }
        ui.Line($"report: {page}");
        ui.Result(new { runs = total, studies = StudyReport.Json(tables), @out = folder });
    }

    private static void Clear(string folder)
    {
        foreach (string name in (string[])["runs", "models", "rl"])
            if (Directory.Exists(Path.Combine(folder, name))) Directory.Delete(Path.Combine(folder, name), recursive: true);
    }

    private sealed class Flags
    {
        private readonly Option<string> _study = List("--study", "What to vary: options, kl, beta, rl.", "options,kl,beta,rl");
        private readonly Option<int> _seeds = CommonOptions.Number("--seeds", "Number of seeds.", Defaults.Seeds.Count, 1, 1000);
        private readonly Option<ulong> _seed = CommonOptions.Number("--seed", "The first seed; the others follow it.", 1UL, 0UL, ulong.MaxValue - 1000);
        private readonly Option<string> _options = List("--options", "Values of K.", string.Join(',', Defaults.Options));
        private readonly Option<string> _targets = List("--kl-targets", "KL targets in nats.", Join(Defaults.KlTargets));
        private readonly Option<string> _betas = List("--betas", "Starts of beta.", Join(Defaults.Betas));
        private readonly Option<bool> _quick = new("--quick") { Description = "150 supervised steps, 60 RL updates and 100 problems, where not given: a first look." };
        private readonly Option<int> _steps = CommonOptions.Number("--steps", "Supervised steps of each run.", Defaults.TrainSteps, 1, 1_000_000);
        private readonly Option<int> _rlSteps = CommonOptions.Number("--rl-steps", "Updates of each RL run.", Defaults.RlSteps, 1, 1_000_000);
        private readonly Option<int> _rlProblems = CommonOptions.Number("--batch-size", "Problems of each RL update.", Defaults.RlProblems, 1, 1 << 20);
        private readonly Option<double> _optionsRate = CommonOptions.Number("--options-lr", "First learning rate of RL on options.", Defaults.OptionsRate, 0, double.MaxValue);
        private readonly Option<double> _groupsRate = CommonOptions.Number("--groups-lr", "The same with credit by token.", Defaults.GroupsRate, 0, double.MaxValue);
        private readonly Option<double> _tokensRate = CommonOptions.Number("--tokens-lr", "First learning rate of RL on tokens.", Defaults.TokensRate, 0, double.MaxValue);
        private readonly Option<int> _rows = CommonOptions.Number("--rows", "Rows that runs are trained on.", Defaults.TrainingRows, 1, 10_000_000);
        private readonly Option<int> _problems = CommonOptions.Number("--problems", "Held-out problems.", Defaults.Problems, 1, 300);
        private readonly Option<int> _samples = CommonOptions.Number("--samples", "N of sampled answers and of pass@N.", Defaults.Samples, 1, 1 << 10);

        public Flags(Command command)
        {
            Option[] all = [_study, _seeds, _seed, _options, _targets, _betas, _quick, _steps, _rlSteps, _rlProblems, _optionsRate, _groupsRate, _tokensRate, _rows, _problems, _samples];
            foreach (Option option in all) command.Add(option);
        }

        public StudyOptions Read(ParseResult parsed)
        {
            ulong first = parsed.GetValue(_seed);
            StudyOptions sizes = parsed.GetValue(_quick) ? Defaults.Quick() : Defaults;
            int Size(Option<int> option, int fallback) => RunSettings.WasGiven(parsed, option) ? parsed.GetValue(option) : fallback;
            var options = new StudyOptions
            {
                Seeds = [.. Enumerable.Range(0, parsed.GetValue(_seeds)).Select(i => first + (ulong)i)],
                Options = Numbers<int>(parsed, _options), KlTargets = Numbers<double>(parsed, _targets), Betas = Numbers<double>(parsed, _betas),
                TrainSteps = Size(_steps, sizes.TrainSteps), RlSteps = Size(_rlSteps, sizes.RlSteps), Problems = Size(_problems, sizes.Problems),
                RlProblems = parsed.GetValue(_rlProblems), OptionsRate = parsed.GetValue(_optionsRate), GroupsRate = parsed.GetValue(_groupsRate), TokensRate = parsed.GetValue(_tokensRate),
                TrainingRows = parsed.GetValue(_rows), Samples = parsed.GetValue(_samples),
            };
            options.Validate();
            return options;
        }

        public IReadOnlyList<StudyKind> Kinds(ParseResult parsed) =>
        [
            .. Words(parsed, _study).Select(word => word switch
            {
                "options" => StudyKind.Options,
                "kl" => StudyKind.Kl,
                "beta" => StudyKind.Beta,
                "rl" => StudyKind.Rl,
                _ => throw new OllmException($"--study: '{word}' is not known, expected words of options, kl, beta, rl with commas between them"),
            }).Distinct(),
        ];

        private static Option<string> List(string name, string description, string fallback) =>
            new(name) { Description = description, HelpName = "A,B,..", DefaultValueFactory = _ => fallback };

        private static string Join(IEnumerable<double> numbers) => string.Join(',', numbers.Select(n => n.ToString(CultureInfo.InvariantCulture)));

        private static string[] Words(ParseResult parsed, Option<string> option) =>
            parsed.GetValue(option)!.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries) is { Length: > 0 } words
                ? words
                : throw new OllmException($"{option.Name}: is empty, expected values with commas between them");

        private static T[] Numbers<T>(ParseResult parsed, Option<string> option) where T : INumber<T> =>
        [
            .. Words(parsed, option).Select(word => T.TryParse(word, NumberStyles.Float, CultureInfo.InvariantCulture, out T? number)
                ? number
                : throw new OllmException($"{option.Name}: '{word}' is not a number, expected numbers with commas between them")).Distinct(),
        ];
    }
}
