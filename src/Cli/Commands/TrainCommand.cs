using System.CommandLine;
using System.Diagnostics;
using OllmNative.Model;
using OllmNative.Training;

namespace OllmNative.Cli.Commands;

/// <summary><c>ollm train</c>: supervised training of an OLLM on its frozen backbone.</summary>
internal static class TrainCommand
{
    private const string Checkpoints = "checkpoints", Report = "report.html";

    /// <summary>Rows that were learned, that were bad, and that had no token to learn.</summary>
    private readonly record struct RowCounts(int Trained, int Skipped, int WithoutTargets);

    public static Command Create(Output ui)
    {
        var command = new Command("train", "Train an OLLM on a frozen backbone. Ctrl-C writes a checkpoint; --resume continues from it.");
        var model = new ModelOptions(command);
        var data = new DataOptions(command, withLimit: true);
        Option<string> output = CommonOptions.Path("--out", "The folder to write: the OLLM, metrics.jsonl, checkpoints, report.html.", "DIR");
        var resume = new Option<bool>("--resume") { Description = "Continue the run whose checkpoints are in --out; give it the same options." };
        Option<bool> force = CommonOptions.Force();
        Option<int> options = CommonOptions.Number("--options", "K, the number of options of a fresh OLLM (without --ollm).", 10, 1, 1024);
        Option<int?> width = CommonOptions.OptionalNumber("--latent-width", "m, the width inside a fresh OLLM; 7/3 of the hidden size by default.", 1, 1 << 20);
        foreach (Option option in (Option[])[output, resume, force, options, width]) command.Add(option);
        var flags = new TrainFlags(command);

        command.SetAction(parsed => Job.Run(ui, group =>
        {
            string folder = parsed.GetValue(output)!;
            TrainOptions settings = flags.Read(parsed, folder, group.Size);
            TrainingCheckpoint? checkpoint = CheckFolder(folder, parsed.GetValue(resume), parsed.GetValue(force), group, ui);
            using ModelSession session = model.Open(parsed, group);
            using OllmModel ollm = OpenOllm(parsed, session, checkpoint, options, width, settings.Seed);
            DataSource source = data.Open(parsed, session, ui);
            using TokenRowStore rows = source.ReadTokenRows(group);
            (ITokenRows training, ITokenRows validation) = RowSplit.Of(rows, flags.ValidationRows(parsed), settings.Seed);
            if (settings.CacheHidden is { } cache) Files.PrepareFolder("--cache-hidden", cache);
            using var trainer = new Trainer(session.Backbone, ollm, training, settings, validation, group, group.IsFirst ? ui.Log : null);
            using RunLock? held = Prepare(trainer, folder, checkpoint, ui);
            double seconds = Run(trainer, folder, ui);
            if (group.IsFirst) Finish(parsed, folder, trainer, new RowCounts(training.Count, source.Skipped, rows.WithoutTargets), seconds, ui);
        }));
        return command;
    }

    /// <summary>The checkpoint to go on from; null for a run that starts at its first step.</summary>
    private static TrainingCheckpoint? CheckFolder(string folder, bool resume, bool force, ProcessGroup group, Output ui)
    {
        if (resume && force) throw new OllmException("--resume and --force exclude each other");
        if (resume)
        {
            if (TrainingCheckpoint.Newest(folder, ui.Log) is { } newest) return newest;
            if (!File.Exists(Path.Combine(folder, MetricsLog.FileName)))
                throw new OllmException($"--out {folder}: nothing to resume, expected checkpoints of an earlier run in it");
            ui.Log($"{folder}: the run ended before its first checkpoint; starting from the first step");
            return null;
        }
        if (!group.IsFirst) return null; // The first process may have begun to write already.
        string? found = ((string[])[Checkpoints, MetricsLog.FileName, OllmManifest.FileName]).FirstOrDefault(name => Path.Exists(Path.Combine(folder, name)));
        if (found is not null && !force) throw new OllmException($"--out {folder}: holds {found} already; --resume continues that run, --force replaces it");
        return null;
    }

    /// <summary>The OLLM of --ollm; a run that goes on has its OLLM in the checkpoint; otherwise a fresh one.</summary>
    private static OllmModel OpenOllm(
        ParseResult parsed, ModelSession session, TrainingCheckpoint? checkpoint, Option<int> options, Option<int?> width, ulong seed)
    {
        InitCommand.RefuseHuge(session.Config.HiddenSize, parsed.GetValue(width));
        OllmModel ollm = session.TakeOllm()
            ?? (checkpoint is not null
                ? OllmOf(checkpoint, session)
                : OllmModel.Create(session.Backbone, parsed.GetValue(options), parsed.GetValue(width), seed));
        bool otherOptions = RunSettings.WasGiven(parsed, options) && parsed.GetValue(options) != ollm.Shape.Options;
        bool otherWidth = parsed.GetValue(width) is { } m && m != ollm.Shape.LatentWidth;
        if (!otherOptions && !otherWidth) return ollm;
        OllmShape shape = ollm.Shape;
        ollm.Dispose();
        throw new OllmException(
            $"--options and --latent-width are for a fresh OLLM; {(checkpoint is null ? "that of --ollm" : "the run to resume")} has {shape.Options} options and width {shape.LatentWidth}");
    }

    private static OllmModel OllmOf(TrainingCheckpoint checkpoint, ModelSession session)
    {
        OllmModel ollm = OllmModel.Load(session.Backbone, checkpoint.Location);
        // The trainer counts the tokens of its run on top of those of the OLLM that the run began with.
        ollm.TrainedTokens -= checkpoint.State.Tokens;
        return ollm;
    }

    /// <summary>Makes the folder ready and the trainer stand where the run goes on; the first process holds the folder's lock.</summary>
    private static RunLock? Prepare(Trainer trainer, string folder, TrainingCheckpoint? checkpoint, Output ui)
    {
        trainer.Group.RequireSame("their run or their checkpoint", FormattableString.Invariant($"{trainer.RunKey} {trainer.TotalSteps} {checkpoint?.State}"));
        RunLock? held = null;
        try
        {
            if (trainer.Group.IsFirst)
            {
                Files.PrepareFolder("--out", folder);
                held = RunLock.Take(folder);
                var store = new CheckpointStore(folder);
                store.Sweep();
                // Checkpoints of a run that is replaced must not be taken for this one's.
                if (checkpoint is null) store.Clear();
            }
            if (checkpoint is not null) trainer.Resume(checkpoint, folder, ui.Log);
            return held;
        }
        catch
        {
            held?.Dispose();
            throw;
        }
    }

    private static double Run(Trainer trainer, string folder, Output ui)
    {
        if (trainer.StepsDone > 0) ui.Log($"{trainer.StepsDone} of {trainer.TotalSteps} steps are done");
        long start = Stopwatch.GetTimestamp();
        using Progress bar = ui.Progress("train", trainer.TotalSteps);
        try
        {
            trainer.Run(folder, line => bar.Report(line.Step, FormattableString.Invariant($"loss {line.Loss:F4}  ce {line.Ce:F4}  kl {line.Kl:F3}")), ui.Cancellation);
        }
        catch (OperationCanceledException)
        {
            ui.Log($"checkpoint of step {trainer.StepsDone} written to {folder}; --resume continues");
            throw;
        }
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    private static void Finish(ParseResult parsed, string folder, Trainer trainer, RowCounts rows, double seconds, Output ui)
    {
        MetricsLog metrics = MetricsLog.Read(folder);
        string report = Path.Combine(folder, Report);
        var page = new ReportPage("OLLM training");
        page.AddLineChart("Loss", "step", "nats", metrics.Curves("loss", "ce", "policy_ce"));
        page.AddLineChart("KL of the encoder's choice against uniform, and its weight", "step", "nats, weight", metrics.Curves("kl", "beta"));
        page.AddLineChart("Policy cross-entropy", "step", "nats", metrics.Curves("policy_ce"));
        page.AddLineChart("Token accuracy under the z of training", "step", "share", metrics.Curves("token_accuracy"));
        page.AddLineChart("Gradient norm", "step", "norm", metrics.Curves("grad_norm"));
        if (metrics.Has("validation_ce"))
        {
            page.AddLineChart("Losses on rows that are not learned", "step", "nats", metrics.Curves("validation_loss", "validation_ce", "ce"));
            page.AddLineChart("Token accuracy on rows that are not learned", "step", "share", metrics.Curves("validation_token_accuracy", "token_accuracy"));
        }
        page.AddHeading("Options");
        page.AddKeyValues(RunSettings.Of(parsed));
        page.Save(report);

        ui.Line(FormattableString.Invariant(
            $"{trainer.TotalSteps} steps over {rows.Trained} rows: loss {metrics.Last("loss"):F4}, ce {metrics.Last("ce"):F4}, kl {metrics.Last("kl"):F4}, token accuracy {metrics.Last("token_accuracy"):F4}"));
        ui.Line(FormattableString.Invariant($"{metrics.Mean("tokens_per_second"):F0} tokens/s, {seconds:F1} s; the OLLM is in {folder}, the report in {report}"));
        double? efficiency = Scaling(trainer, ui);
        ui.Result(new
        {
            @out = folder,
            ranks = trainer.Group.Size,
            scaling_efficiency = efficiency,
            steps = trainer.TotalSteps,
            rows = rows.Trained,
            skipped_rows = rows.Skipped,
            rows_without_targets = rows.WithoutTargets,
            loss = metrics.Last("loss"),
            ce = metrics.Last("ce"),
            kl = metrics.Last("kl"),
            beta = metrics.Last("beta"),
            policy_ce = metrics.Last("policy_ce"),
            token_accuracy = metrics.Last("token_accuracy"),
            validation_loss = metrics.Last("validation_loss"),
            validation_ce = metrics.Last("validation_ce"),
            validation_token_accuracy = metrics.Last("validation_token_accuracy"),
            tokens = metrics.Last("tokens"),
            tokens_per_second = metrics.Mean("tokens_per_second"),
            seconds,
            best_checkpoint = new CheckpointStore(folder).Best(),
            report,
        });
    }

    /// <summary>
    /// Weak-scaling efficiency as one job can know it: the share of a step that goes into the process' own rows. The rest is
    /// adding up gradients and waiting for slower processes, which one process alone would not do.
    /// </summary>
    private static double? Scaling(Trainer trainer, Output ui)
    {
        (double all, double reducing) = trainer.StepSeconds;
        if (!trainer.Group.IsDistributed || all == 0) return null;
        double efficiency = 1 - reducing / all, steps = Math.Max(1, trainer.StepsMade);
        ui.Line(FormattableString.Invariant(
            $"{trainer.Group.Size} processes: weak-scaling efficiency {100 * efficiency:F1} % ({1000 * reducing / steps:F2} of {1000 * all / steps:F2} ms a step added up {trainer.ReducedBytes / 1e6:F2} MB of gradients and waited)"));
        return efficiency;
    }
}
