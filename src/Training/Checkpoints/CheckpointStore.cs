using System.Globalization;
using System.Text.Json.Nodes;
using OllmNative.Model;

namespace OllmNative.Training;

/// <summary>A checkpoint whose checksums were right when it was opened.</summary>
/// <param name="Location">Its folder.</param>
/// <param name="Step">Steps done.</param>
/// <param name="State">What its state.json remembers.</param>
public sealed record StoredCheckpoint(string Location, int Step, JsonFields State);

/// <summary>
/// The folders <c>checkpoints/step-NNNNNNNN</c> of an output folder. One is filled under another name (<c>writing-</c>), sealed,
/// flushed to the disk and renamed; one that goes is renamed (<c>removing-</c>) before it is deleted. So whatever is called
/// <c>step-</c> is whole, whenever the process is killed. A checkpoint that was damaged later is passed over with a warning.
/// </summary>
public sealed class CheckpointStore
{
    /// <summary>Name of the folder inside an output folder.</summary>
    public const string FolderName = "checkpoints";

    private const string Prefix = "step-", Writing = "writing-", Removing = "removing-", Score = "score";
    private readonly string _output, _parent;

    /// <summary>The checkpoints of an output folder; nothing is touched yet.</summary>
    public CheckpointStore(string outputFolder)
    {
        ArgumentNullException.ThrowIfNull(outputFolder);
        (_output, _parent) = (outputFolder, Path.Combine(outputFolder, FolderName));
    }

    /// <summary>
    /// The newest checkpoint that is whole; null when there is none at all.
    /// </summary>
    /// <param name="warn">Takes a line for each damaged checkpoint that was passed over.</param>
    /// <exception cref="OllmException">There are checkpoints, and every one is damaged.</exception>
    public StoredCheckpoint? Newest(Action<string>? warn = null)
    {
        OllmException? first = null;
        foreach ((int step, string location) in Folders().Reverse())
        {
            try
            {
                var checkpoint = new StoredCheckpoint(location, step, SealedFolder.Open(location));
                if (first is not null) warn?.Invoke($"warning: {first.Message}; going on from the checkpoint of step {step}");
                return checkpoint;
            }
            catch (OllmException error)
            {
                first ??= error;
            }
        }
        return first is null ? null : throw new OllmException($"{first.Message}; no other checkpoint in {_parent} is whole");
    }

    /// <summary>The checkpoint with the lowest score; null when no checkpoint has one.</summary>
    public string? Best() => BestOf([.. Folders()]);

    /// <summary>Writes the checkpoint of a step, then removes all but the newest <paramref name="keep"/> and the best one.</summary>
    /// <param name="step">Steps done.</param>
    /// <param name="fill">Writes the checkpoint's files into the folder that it is given.</param>
    /// <param name="state">What to remember, see <see cref="SealedFolder.Seal"/>.</param>
    /// <param name="keep">Newest checkpoints to keep, at least 1.</param>
    /// <param name="score">The lower, the better; the best checkpoint stays. Null takes no part.</param>
    /// <exception cref="OllmException">It cannot be written; the checkpoints so far are as they were.</exception>
    public void Write(int step, Action<string> fill, JsonObject state, int keep, double? score = null)
    {
        ArgumentNullException.ThrowIfNull(fill);
        ArgumentNullException.ThrowIfNull(state);
        string name = step.ToString("D8", CultureInfo.InvariantCulture), final = Path.Combine(_parent, Prefix + name), temporary = Path.Combine(_parent, Writing + name);
        try
        {
            Directory.CreateDirectory(_parent);
            if (Directory.Exists(temporary)) Directory.Delete(temporary, recursive: true);
            Directory.CreateDirectory(temporary);
            fill(temporary);
            state[Score] = score;
            SealedFolder.Seal(temporary, state);
            Put(temporary, final);
            DurableFiles.FlushFolder(_parent);
            DurableFiles.FlushFolder(_output);
            Prune(Math.Max(1, keep));
        }
        catch (Exception error) when (error is OllmException || DurableFiles.IsRefusal(error))
        {
            TryDeleteFolder(temporary);
            string rest = Folders().Select(folder => Path.GetFileName(folder.Location)).LastOrDefault() is { } last ? $"the newest one there is {last}" : "there is none yet";
            throw new OllmException($"the checkpoint of step {step} cannot be written: {error.Message}; {rest}. Make room or the folder writable, then --resume", error);
        }
    }

    /// <summary>Removes what a killed run left behind in the output folder and its checkpoints.</summary>
    public void Sweep()
    {
        DurableFiles.Sweep(_output);
        foreach (string parent in (string[])[_output, _parent])
        {
            if (!Directory.Exists(parent)) continue;
            string[] left = [.. Directory.EnumerateDirectories(parent).Where(folder => IsLeftover(Path.GetFileName(folder)))];
            foreach (string folder in left) TryDeleteFolder(folder);
        }
    }

    /// <summary>Removes every checkpoint, at one stroke, for a run that replaces the one before it.</summary>
    public void Clear()
    {
        if (Directory.Exists(_parent)) Remove(_parent);
    }

    private static bool IsLeftover(string name)
    {
        bool Is(string prefix, int length, Func<char, bool> letters) =>
            name.StartsWith(prefix, StringComparison.Ordinal) && name.Length >= prefix.Length + length && name[prefix.Length..].All(letters);
        return Is(Writing, 8, char.IsAsciiDigit) || Is(Removing, 32, char.IsAsciiHexDigitLower);
    }

    private (int Step, string Location)[] Folders()
    {
        if (!Directory.Exists(_parent)) return [];
        var found = new List<(int, string)>();
        foreach (string folder in Directory.EnumerateDirectories(_parent, Prefix + "*"))
            if (int.TryParse(Path.GetFileName(folder)[Prefix.Length..], NumberStyles.None, CultureInfo.InvariantCulture, out int step)) found.Add((step, folder));
        return [.. found.Order()];
    }

    /// <summary>Gives the finished folder its name. One of that name is there when a run was resumed before it.</summary>
    private static void Put(string temporary, string final)
    {
        if (Directory.Exists(final))
        {
            if (IsSame(temporary, final))
            {
                TryDeleteFolder(temporary);
                return;
            }
            Remove(final);
        }
        Directory.Move(temporary, final);
    }

    private static bool IsSame(string temporary, string final)
    {
        string theirs = Path.Combine(final, SealedFolder.StateFile);
        if (!File.Exists(theirs) || !File.ReadAllBytes(theirs).AsSpan().SequenceEqual(File.ReadAllBytes(Path.Combine(temporary, SealedFolder.StateFile)))) return false;
        try
        {
            SealedFolder.Open(final);
            return true;
        }
        catch (OllmException)
        {
            return false;
        }
    }

    private void Prune(int keep)
    {
        (int Step, string Location)[] all = Folders();
        string? best = BestOf(all);
        foreach ((_, string location) in all.SkipLast(keep).Where(folder => folder.Location != best)) Remove(location);
    }

    private static string? BestOf((int Step, string Location)[] folders)
    {
        (double Score, string Location)? best = null;
        foreach ((_, string location) in folders)
            if (ScoreOf(location) is { } score && (best is null || score < best.Value.Score)) best = (score, location);
        return best?.Location;
    }

    private static double? ScoreOf(string location)
    {
        try
        {
            return JsonFiles.ReadObject(Path.Combine(location, SealedFolder.StateFile)).OptionalNumber(Score, double.MinValue, double.MaxValue);
        }
        catch (OllmException)
        {
            return null; // A damaged one is nobody's best.
        }
    }

    private static void Remove(string location)
    {
        string going = Path.Combine(Path.GetDirectoryName(location)!, Removing + Guid.NewGuid().ToString("N"));
        Directory.Move(location, going);
        Directory.Delete(going, recursive: true);
    }

    private static void TryDeleteFolder(string path)
    {
        try
        {
            if (Directory.Exists(path)) Directory.Delete(path, recursive: true);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // The first error is the one that the user must see; a leftover is swept by the next run.
        }
    }
}
