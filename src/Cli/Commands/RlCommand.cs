using System.CommandLine;
using OllmNative.Model;
using OllmNative.Training;

namespace OllmNative.Cli.Commands;

/// <summary><c>ollm rl</c>: reinforcement learning of the policy, or of the tokens of an adapter with one option.</summary>
internal static class RlCommand
{
    private static readonly LatentRlOptions Defaults = new();

    public static Command Create(Output ui)
    {
        var command = new Command(
            "rl", "Reinforcement learning from the answers' rewards: of the policy's options, or of tokens. Ctrl-C writes a checkpoint; --resume continues from it.");
        var model = new ModelOptions(command, ollmRequired: true, withQuantize: true);
        var data = new DataOptions(command, withLimit: true);
        Option<string> output = CommonOptions.Path("--out", "The folder to write: the OLLM, metrics.jsonl, checkpoints, report.html.", "DIR");
        var resume = new Option<bool>("--resume") { Description = "Continue the run whose checkpoints are in --out; give it the same options." };
        Option<bool> force = CommonOptions.Force();
        Option<string?> validation = CommonOptions.OptionalPath("--validation", "Problems that greedy answers are evaluated on while the run goes on; the best OLLM is kept in --out/best.");
        foreach (Option option in (Option[])[output, resume, force, validation]) command.Add(option);
        var flags = new Flags(command);

        command.SetAction(parsed => Job.Run(ui, group =>
        {
            string folder = parsed.GetValue(output)!;
            bool resumed = CheckFolder(folder, parsed.GetValue(resume), parsed.GetValue(force), group, ui);
            using ModelSession session = model.Open(parsed, group);
            DataSource source = data.Open(parsed, session, ui);
            List<AnswerProblem> problems = Problems(source, group);
            string? file = parsed.GetValue(validation);
            IReadOnlyList<AnswerProblem>? checks = file is null ? null : AnswerProblem.Read(file, source.Encoder);
            int maxTokens = Answers.MaxTokens(session.Config, [.. problems, .. checks ?? []], parsed.GetValue(flags.MaxTokens));
            LatentRlOptions settings = flags.Read(parsed, maxTokens);
            using AnswerRl rl = parsed.GetValue(flags.Method) == "token"
                ? new TokenRl(session.Backbone, session.Ollm!, source.Tokenizer, problems, source.Encoder.StopTokens, settings) { Group = group }
                : new LatentRl(session.Backbone, session.Ollm!, source.Tokenizer, problems, source.Encoder.StopTokens, settings) { Group = group };
            using Generator? generator = checks is null ? null : NewGenerator(session, checks, maxTokens, source);
            AnswerSampler? sampler = generator is null ? null : new AnswerSampler(generator, source.Tokenizer, source.Encoder.StopTokens, maxTokens);
            var run = new RlRun(rl, folder, sampler, checks);
            group.RequireSame("their run", rl.RunKey);
            using RunLock? held = group.IsFirst ? Prepare(folder, resumed) : null;
            if (resumed) run.TryResume(ui.Log);
            Run(rl, run, folder, ui);
            if (group.IsFirst) Finish(parsed, folder, run, problems.Count, source.Skipped, ui);
        }));
        return command;
    }

    /// <summary>Whether there is a run to go on with; otherwise the folder must hold none, unless forced.</summary>
    private static bool CheckFolder(string folder, bool resume, bool force, ProcessGroup group, Output ui)
    {
        if (resume && force) throw new OllmException("--resume and --force exclude each other");
        if (resume)
        {
            if (TrainingCheckpoint.Newest(folder) is not null) return true;
            if (!File.Exists(Path.Combine(folder, MetricsLog.FileName)))
                throw new OllmException($"--out {folder}: nothing to resume, expected checkpoints of an earlier run in it");
            ui.Log($"{folder}: the run ended before its first checkpoint; starting from the first update");
            return false;
        }
        if (!group.IsFirst) return false; // The first process may have begun to write already.
        string? found = ((string[])[CheckpointStore.FolderName, MetricsLog.FileName, OllmManifest.FileName, "ollm.safetensors"]).FirstOrDefault(name => Path.Exists(Path.Combine(folder, name)));
        if (found is not null && !force) throw new OllmException($"--out {folder}: holds {found} already; --resume continues that run, --force replaces it");
        return false;
    }

    private static List<AnswerProblem> Problems(DataSource source, ProcessGroup group)
    {
        List<AnswerProblem> problems = source.ReadProblems(group);
        return problems.Count > 0 ? problems : throw new OllmException($"{source.Path}: no row has an expected answer; expected expected_answer, answer or a GSM8K solution");
    }

    private static Generator NewGenerator(ModelSession session, IReadOnlyList<AnswerProblem> problems, int maxTokens, DataSource source)
    {
        int capacity = problems.Max(problem => problem.Prompt.Length) + maxTokens;
        return new Generator(session.Backbone, session.Ollm, Math.Min(problems.Count, Generator.SlotsFor(session.Backbone, capacity)), capacity, source.Tokenizer.VocabularySize);
    }

    /// <summary>Takes the folder and clears it of what killed runs left; files of a run that is replaced must not be taken for this one's.</summary>
    private static RunLock Prepare(string folder, bool resumed)
    {
        Files.PrepareFolder("--out", folder);
        RunLock held = RunLock.Take(folder);
        var store = new CheckpointStore(folder);
        store.Sweep();
        if (resumed) return held;
        store.Clear();
        foreach (string name in (string[])[MetricsLog.FileName, RlRun.EvaluationsFile]) File.Delete(Path.Combine(folder, name));
        string best = Path.Combine(folder, RlRun.BestFolder);
        if (Directory.Exists(best)) Directory.Delete(best, recursive: true);
        return held;
    }

    private static void Run(AnswerRl rl, RlRun run, string folder, Output ui)
    {
        if (rl.StepsDone > 0) ui.Log($"{rl.StepsDone} of {rl.Options.Steps} updates are done");
        using Progress bar = ui.Progress("rl", rl.Options.Steps);
        try
        {
            run.Run(
                line => bar.Report(line.Step, FormattableString.Invariant($"reward {line.Reward:F3}  entropy {line.Entropy:F3}")),
                line => ui.Log(FormattableString.Invariant($"update {line.Step}, {line.Rollouts} rollouts: validation {line.Greedy:F3}")),
                ui.Cancellation);
        }
        catch (OperationCanceledException)
        {
            ui.Log($"checkpoint of update {rl.StepsDone} written to {folder}; --resume continues");
            throw;
        }
    }

    private static void Finish(ParseResult parsed, string folder, RlRun run, int problems, int skipped, Output ui)
    {
        MetricsLog metrics = MetricsLog.Read(folder);
        string report = Path.Combine(folder, "report.html");
        var page = new ReportPage("Reinforcement learning from answers");
        page.AddLineChart("Share of right answers in the rollouts", "step", "reward", metrics.Curves("reward"));
        if (run.Evaluations.Count > 0)
        {
            page.AddLineChart("Greedy answers on the validation problems", "rollouts", "share",
                [new ChartSeries("right", [.. run.Evaluations.Select(e => ((double)e.Rollouts, e.Greedy))]), new ChartSeries("malformed", [.. run.Evaluations.Select(e => ((double)e.Rollouts, e.Malformed))])]);
        }
        page.AddLineChart("Problems whose rollouts differ, and rollouts without an answer", "step", "share", metrics.Curves("active_groups", "malformed"));
        page.AddLineChart("Uncertainty of the choices", "step", "nats per token", metrics.Curves("entropy"));
        page.AddLineChart("Surrogate loss", "step", "loss", metrics.Curves("loss"));
        page.AddHeading("Options");
        page.AddKeyValues(RunSettings.Of(parsed));
        page.Save(report);
        ui.Line(FormattableString.Invariant(
            $"{metrics.Last("step"):F0} steps, {metrics.Last("rollouts"):F0} rollouts over {problems} problems: reward {metrics.Last("reward"):F3}, entropy {metrics.Last("entropy"):F3}"));
        if (run.Best is { } best)
            ui.Line(FormattableString.Invariant($"validation: {run.Evaluations[^1].Greedy:F3} at the end, {best.Greedy:F3} at update {best.Step} (kept in {Path.Combine(folder, RlRun.BestFolder)})"));
        ui.Line($"the OLLM is in {folder}, the report in {report}");
        ui.Result(new
        {
            @out = folder,
            steps = metrics.Last("step"),
            problems,
            skipped_rows = skipped,
            reward = metrics.Last("reward"),
            active_groups = metrics.Last("active_groups"),
            malformed = metrics.Last("malformed"),
            entropy = metrics.Last("entropy"),
            rollouts = metrics.Last("rollouts"),
            tokens_per_second = metrics.Mean("tokens_per_second"),
            validation = run.Evaluations.Count == 0 ? null : new { last = run.Evaluations[^1].Greedy, best = run.Best!.Greedy, best_step = run.Best.Step },
            report,
        });
    }

    private sealed class Flags
    {
        private readonly Option<int> _steps = CommonOptions.Number("--steps", "Updates, each with rollouts of its own.", Defaults.Steps, 1, int.MaxValue);
        private readonly Option<int> _problems = CommonOptions.Number("--batch-size", "Problems per update.", Defaults.Problems, 1, 1 << 20);
        private readonly Option<int> _rollouts = CommonOptions.Number("--rollouts", "Rollouts per problem; advantages compare them.", Defaults.Rollouts, 2, 1 << 16);
        private readonly Option<double> _rate = CommonOptions.Number("--lr", "Learning rate of the first step.", Defaults.LearningRate, 0, double.MaxValue);
        private readonly Option<double> _finalRate = CommonOptions.Number("--final-lr", "Learning rate of the last step.", Defaults.FinalLearningRate, 0, double.MaxValue);
        private readonly Option<double> _entropy = CommonOptions.Number("--entropy", "Weight of the entropy bonus at the start; it falls to 0.", Defaults.Entropy, 0, double.MaxValue);
        private readonly Option<double> _clipRatio = CommonOptions.Number("--clip-ratio", "Range of the probability ratio.", Defaults.ClipRatio, 0, double.MaxValue);
        private readonly Option<int> _epochs = CommonOptions.Number("--rl-epochs", "Passes over the rollouts of each step.", Defaults.Epochs, 1, 1000);
        private readonly Option<double> _clip = CommonOptions.Number("--clip", "Largest global norm of the gradient; 0 does not clip.", Defaults.Clip, 0, double.MaxValue);
        private readonly Option<ulong> _seed = CommonOptions.Seed("Names the order of problems and the samples.");
        private readonly Option<string> _credit = CommonOptions.Choice(
            "--credit", "What latent RL credits with a reward: the option that was drawn, or all options that say the same token.", "option", "option", "token");
        private readonly Option<int> _checkpointEvery = CommonOptions.Number(
            "--checkpoint-every", "Updates between checkpoints; 0 writes one only at the end or on Ctrl-C.", Defaults.CheckpointEvery, 0, int.MaxValue);
        private readonly Option<int> _evaluateEvery = CommonOptions.Number("--eval-every", "Updates between evaluations on --validation.", Defaults.EvaluateEvery, 1, int.MaxValue);

        public Flags(Command command)
        {
            Option[] all =
            [
                Method, _credit, _steps, _problems, _rollouts, MaxTokens, _rate, _finalRate, _entropy, _clipRatio, _epochs, _clip, _seed, _checkpointEvery, _evaluateEvery,
            ];
            foreach (Option option in all) command.Add(option);
        }

        public Option<string> Method { get; } = CommonOptions.Choice(
            "--method", "What learns: the policy that chooses options, or the decoder of an OLLM with one option, from sampled tokens.", "latent", "latent", "token");

        public Option<int?> MaxTokens { get; } = Answers.MaxTokensOption();

        public LatentRlOptions Read(ParseResult parsed, int maxTokens) => new()
        {
            Steps = parsed.GetValue(_steps),
            Problems = parsed.GetValue(_problems),
            Rollouts = parsed.GetValue(_rollouts),
            MaxTokens = maxTokens,
            LearningRate = parsed.GetValue(_rate),
            FinalLearningRate = parsed.GetValue(_finalRate),
            Entropy = parsed.GetValue(_entropy),
            ClipRatio = parsed.GetValue(_clipRatio),
            Epochs = parsed.GetValue(_epochs),
            Clip = parsed.GetValue(_clip),
            Credit = parsed.GetValue(_credit) == "token" ? RlCredit.Token : RlCredit.Option,
            Seed = parsed.GetValue(_seed),
            CheckpointEvery = parsed.GetValue(_checkpointEvery),
            EvaluateEvery = parsed.GetValue(_evaluateEvery),
        };
    }
}
