using System.CommandLine;
using OllmNative.Model;
using OllmNative.Training;

namespace OllmNative.Cli.Commands;

/// <summary><c>ollm rl</c>: latent reinforcement learning of the policy.</summary>
internal static class RlCommand
{
    private static readonly LatentRlOptions Defaults = new();

    public static Command Create(Output ui)
    {
        var command = new Command("rl", "Latent RL: only the policy learns, from the answers' rewards. Ctrl-C saves the policy so far.");
        var model = new ModelOptions(command, ollmRequired: true, withQuantize: true);
        var data = new DataOptions(command, withLimit: true);
        Option<string> output = CommonOptions.Path("--out", "The folder to write: the OLLM, metrics.jsonl, report.html.", "DIR");
        Option<bool> force = CommonOptions.Force();
        command.Add(output);
        command.Add(force);
        var flags = new Flags(command);

        command.SetAction(parsed =>
        {
            string folder = parsed.GetValue(output)!;
            Files.RefuseExisting("--out", folder, parsed.GetValue(force), OllmManifest.FileName, "ollm.safetensors", MetricsLog.FileName);
            using ModelSession session = model.Open(parsed);
            DataSource source = data.Open(parsed, session, ui);
            List<AnswerProblem> problems = Problems(source);
            LatentRlOptions settings = flags.Read(parsed, Answers.MaxTokens(session.Config, problems, parsed.GetValue(flags.MaxTokens)));
            using var rl = new LatentRl(session.Backbone, session.Ollm!, source.Tokenizer, problems, source.Encoder.StopTokens, settings);
            Files.PrepareFolder("--out", folder);
            File.Delete(Path.Combine(folder, MetricsLog.FileName));
            Run(rl, session.Ollm!, folder, settings, ui);
            Finish(parsed, folder, problems.Count, source.Skipped, ui);
        });
        return command;
    }

    private static List<AnswerProblem> Problems(DataSource source)
    {
        List<AnswerProblem> problems = source.Read(row => Answers.Problem(row, source));
        return problems.Count > 0 ? problems : throw new OllmException($"{source.Path}: no row has an expected answer; expected expected_answer, answer or a GSM8K solution");
    }

    private static void Run(LatentRl rl, OllmModel ollm, string folder, LatentRlOptions settings, Output ui)
    {
        using var metrics = new JsonLines(Path.Combine(folder, MetricsLog.FileName));
        using Progress bar = ui.Progress("latent RL", settings.Steps);
        try
        {
            rl.Run(
                line =>
                {
                    metrics.Write(
                        ("step", line.Step), ("reward", line.Reward), ("active_groups", line.ActiveGroups), ("malformed", line.Malformed), ("entropy", line.Entropy),
                        ("loss", line.Loss), ("grad_norm", line.GradNorm), ("lr", line.LearningRate), ("rollouts", line.Rollouts),
                        ("tokens_per_second", line.TokensPerSecond));
                    bar.Report(line.Step, FormattableString.Invariant($"reward {line.Reward:F3}  entropy {line.Entropy:F3}"));
                },
                ui.Cancellation);
        }
        finally
        {
            // After Ctrl-C too: the policy is as after the last whole step.
            ollm.Save(folder);
        }
    }

    private static void Finish(ParseResult parsed, string folder, int problems, int skipped, Output ui)
    {
        MetricsLog metrics = MetricsLog.Read(folder);
        string report = Path.Combine(folder, "report.html");
        var page = new ReportPage("Latent RL");
        page.AddLineChart("Share of right answers in the rollouts", "step", "reward", metrics.Curves("reward"));
        page.AddLineChart("Problems whose rollouts differ, and rollouts without an answer", "step", "share", metrics.Curves("active_groups", "malformed"));
        page.AddLineChart("Uncertainty of the policy", "step", "nats per token", metrics.Curves("entropy"));
        page.AddLineChart("Surrogate loss", "step", "loss", metrics.Curves("loss"));
        page.AddHeading("Options");
        page.AddKeyValues(RunSettings.Of(parsed));
        page.Save(report);
        ui.Line(FormattableString.Invariant(
            $"{metrics.Last("step"):F0} steps, {metrics.Last("rollouts"):F0} rollouts over {problems} problems: reward {metrics.Last("reward"):F3}, entropy {metrics.Last("entropy"):F3}"));
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

        public Flags(Command command)
        {
            foreach (Option option in (Option[])[_steps, _problems, _rollouts, MaxTokens, _rate, _finalRate, _entropy, _clipRatio, _epochs, _clip, _seed]) command.Add(option);
        }

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
            Seed = parsed.GetValue(_seed),
        };
    }
}
