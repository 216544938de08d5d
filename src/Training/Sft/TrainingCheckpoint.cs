using System.Text.Json.Nodes;
using OllmNative.Model;

namespace OllmNative.Training;

/// <summary>Where a run stands. Order and noise follow from seed and step, so this is all that a continuation needs beside the tensors.</summary>
/// <param name="Step">Steps done.</param>
/// <param name="Tokens">Target tokens so far.</param>
/// <param name="Beta">Weight of the KL term in the next step.</param>
/// <param name="MetricsLength">Bytes of metrics.jsonl at this step.</param>
/// <param name="Run">What must agree between a run and its continuation.</param>
/// <param name="Updates">Optimizer steps where they differ from <paramref name="Step"/>: latent RL makes several or none in a step.</param>
public sealed record TrainingState(int Step, long Tokens, double Beta, long MetricsLength, string Run, int? Updates = null);

/// <summary>
/// A checkpoint of supervised training: an OLLM folder of its own with the optimizer's moments and the run's state beside
/// it, kept in a <see cref="CheckpointStore"/>.
/// </summary>
public sealed class TrainingCheckpoint
{
    private const string MomentsFile = "optimizer.safetensors";

    private TrainingCheckpoint(string location, TrainingState state) => (Location, State) = (location, state);

    /// <summary>The checkpoint's own folder, which is an OLLM folder too.</summary>
    public string Location { get; }

    /// <summary>Where the run stood.</summary>
    public TrainingState State { get; }

    /// <summary>The newest whole checkpoint of an output folder; null when there is none.</summary>
    /// <param name="outputFolder">The folder of --out.</param>
    /// <param name="warn">Takes a line about a damaged checkpoint that was passed over.</param>
    /// <exception cref="OllmException">All checkpoints are damaged.</exception>
    public static TrainingCheckpoint? Newest(string outputFolder, Action<string>? warn = null)
    {
        if (new CheckpointStore(outputFolder).Newest(warn) is not { } newest) return null;
        JsonFields json = newest.State;
        return new TrainingCheckpoint(newest.Location, new TrainingState(
            json.RequiredInt("step", 0, int.MaxValue), json.OptionalCount("tokens") ?? 0, json.OptionalNumber("beta", 0, double.MaxValue) ?? 1,
            json.OptionalCount("metrics_length") ?? 0, json.OptionalString("run") ?? "", json.OptionalInt("updates", 0, int.MaxValue)));
    }

    /// <summary>Reads parameters and moments.</summary>
    /// <exception cref="OllmException">The checkpoint belongs to a run with other settings.</exception>
    public void Restore(OllmTensors parameters, OllmTensors first, OllmTensors second, string run)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        RunAgreement.Require(Location, State.Run, run);
        using (Checkpoint weights = Checkpoint.Open(Path.Combine(Location, "ollm.safetensors"))) Read(weights, parameters, "");
        using Checkpoint moments = Checkpoint.Open(Path.Combine(Location, MomentsFile));
        Read(moments, first, "first.");
        Read(moments, second, "second.");
    }

    /// <summary>Writes a checkpoint and removes all but the newest <paramref name="keep"/> and the best.</summary>
    /// <param name="outputFolder">The folder of --out.</param>
    /// <param name="ollm">The modules.</param>
    /// <param name="first">First moments.</param>
    /// <param name="second">Second moments.</param>
    /// <param name="state">Where the run stands.</param>
    /// <param name="keep">Newest checkpoints to keep.</param>
    /// <param name="score">Mean token cross-entropy since the checkpoint before; the lowest one is the best.</param>
    /// <exception cref="OllmException">It cannot be written; older checkpoints stay.</exception>
    public static void Write(string outputFolder, OllmModel ollm, OllmTensors first, OllmTensors second, TrainingState state, int keep, double? score = null)
    {
        ArgumentNullException.ThrowIfNull(ollm);
        ArgumentNullException.ThrowIfNull(state);
        void Fill(string folder)
        {
            ollm.Save(folder);
            SafetensorsWriter.Write(Path.Combine(folder, MomentsFile), [.. OllmModel.TensorsOf(first, "first."), .. OllmModel.TensorsOf(second, "second.")]);
        }
        var fields = new JsonObject
        {
            ["step"] = state.Step, ["tokens"] = state.Tokens, ["beta"] = state.Beta, ["metrics_length"] = state.MetricsLength, ["run"] = state.Run,
        };
        if (state.Updates is { } updates) fields["updates"] = updates;
        new CheckpointStore(outputFolder).Write(state.Step, Fill, fields, keep, score);
    }

    private static void Read(Checkpoint file, OllmTensors tensors, string prefix)
    {
        foreach ((string name, int[] extents) in tensors.Shape.Tensors)
        {
            MappedTensor tensor = file.Get(prefix + name, [.. extents.Select(e => (long)e)]);
            if (tensor.DType != DType.F32) throw new OllmException($"{tensor.File}: tensor '{tensor.Name}' is {tensor.DType.Name()}, expected F32");
            tensors[name].Upload(tensor.AsSpan<float>());
        }
    }
}
