using System.Security.Cryptography;
using System.Text.Json;
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
/// <c>checkpoints/step-NNNNNNNN</c> inside the output folder: an OLLM folder of its own with the optimizer's moments and the
/// run's state. It is written under another name and renamed when complete, so an interrupted write leaves nothing that
/// looks like a checkpoint; state.json carries the checksums of the tensor files.
/// </summary>
public sealed class TrainingCheckpoint
{
    private const string Folder = "checkpoints", Prefix = "step-", StateFile = "state.json", MomentsFile = "optimizer.safetensors";

    private static readonly string[] Checked = ["ollm.safetensors", MomentsFile];
    private readonly string _path;

    private TrainingCheckpoint(string path, TrainingState state) => (_path, State) = (path, state);

    /// <summary>The checkpoint's own folder, which is an OLLM folder too.</summary>
    public string Location => _path;

    /// <summary>Where the run stood.</summary>
    public TrainingState State { get; }

    /// <summary>The newest checkpoint of an output folder; null when there is none.</summary>
    /// <exception cref="OllmException">The checkpoint is damaged.</exception>
    public static TrainingCheckpoint? Newest(string outputFolder)
    {
        string parent = Path.Combine(outputFolder, Folder);
        if (!Directory.Exists(parent)) return null;
        string? newest = Directory.EnumerateDirectories(parent, Prefix + "*").Order(StringComparer.Ordinal).LastOrDefault();
        if (newest is null) return null;
        string stateFile = Path.Combine(newest, StateFile);
        JsonFields json = JsonFiles.ReadObject(stateFile);
        JsonFields sums = json.OptionalObject("sha256") ?? throw json.Error("sha256", "is missing, expected the checksums of the tensor files");
        foreach (string file in Checked)
        {
            string path = Path.Combine(newest, file);
            if (!File.Exists(path)) throw new OllmException($"{path}: missing; the checkpoint is incomplete");
            if (Checksum(path) != sums.OptionalString(file)) throw new OllmException($"{path}: the contents do not match the checksum in {stateFile}; the checkpoint is damaged");
        }
        return new TrainingCheckpoint(newest, new TrainingState(
            json.RequiredInt("step", 0, int.MaxValue), json.OptionalCount("tokens") ?? 0, json.OptionalNumber("beta", 0, double.MaxValue) ?? 1,
            json.OptionalCount("metrics_length") ?? 0, json.OptionalString("run") ?? "", json.OptionalInt("updates", 0, int.MaxValue)));
    }

    /// <summary>Reads parameters and moments.</summary>
    /// <exception cref="OllmException">The checkpoint belongs to a run with other settings.</exception>
    public void Restore(OllmTensors parameters, OllmTensors first, OllmTensors second, string run)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        if (State.Run != run)
            throw new OllmException($"{_path}: written by a run with other settings ({State.Run}); this run has {run}. Give the same options, or another --out");
        using (Checkpoint weights = Checkpoint.Open(Path.Combine(_path, "ollm.safetensors"))) Read(weights, parameters, "");
        using Checkpoint moments = Checkpoint.Open(Path.Combine(_path, MomentsFile));
        Read(moments, first, "first.");
        Read(moments, second, "second.");
    }

    /// <summary>Writes a checkpoint and removes the oldest beyond <paramref name="keep"/>.</summary>
    public static void Write(string outputFolder, OllmModel ollm, OllmTensors first, OllmTensors second, TrainingState state, int keep)
    {
        ArgumentNullException.ThrowIfNull(ollm);
        ArgumentNullException.ThrowIfNull(state);
        string parent = Path.Combine(outputFolder, Folder), final = Path.Combine(parent, $"{Prefix}{state.Step:D8}"), temporary = final.Replace(Prefix, "writing-", StringComparison.Ordinal);
        if (Directory.Exists(temporary)) Directory.Delete(temporary, recursive: true);
        Directory.CreateDirectory(temporary);
        ollm.Save(temporary);
        SafetensorsWriter.Write(
            Path.Combine(temporary, MomentsFile), [.. OllmModel.TensorsOf(first, "first."), .. OllmModel.TensorsOf(second, "second.")]);
        var sums = Checked.ToDictionary(file => file, file => Checksum(Path.Combine(temporary, file)));
        using (FileStream stream = File.Create(Path.Combine(temporary, StateFile)))
        {
            JsonSerializer.Serialize(stream, new { step = state.Step, tokens = state.Tokens, beta = state.Beta, metrics_length = state.MetricsLength, run = state.Run, updates = state.Updates, sha256 = sums });
            stream.Flush(flushToDisk: true);
        }
        if (Directory.Exists(final)) Directory.Delete(final, recursive: true);
        Directory.Move(temporary, final);
        foreach (string old in Directory.EnumerateDirectories(parent, Prefix + "*").Order(StringComparer.Ordinal).SkipLast(Math.Max(1, keep)))
            Directory.Delete(old, recursive: true);
    }

    private static void Read(Checkpoint file, OllmTensors tensors, string prefix)
    {
        foreach ((string name, int[] extents) in tensors.Shape.Tensors)
            tensors[name].Upload(file.Get(prefix + name, [.. extents.Select(e => (long)e)]).AsSpan<float>());
    }

    private static string Checksum(string path)
    {
        using FileStream stream = File.OpenRead(path);
        return Convert.ToHexStringLower(SHA256.HashData(stream));
    }
}
