#if !ILGPU
using OllmNative.Kernels;
using OllmNative.Runtime.Cuda;

namespace OllmNative.Model.Cuda;

/// <summary>
/// What is known of the versions on one chip: in use, left out and why, or being tried at this moment. One note for all, found by GPU, driver and
/// the builds of everything that a version is made of, so that a new build is tried again. A version that kills the process leaves the
/// mark of being tried behind.
/// </summary>
internal sealed class VersionNotes
{
    private const string Right = "right", Trying = "trying";

    private readonly object _gate = new();
    private readonly CudaNotes _notes;
    private readonly SortedDictionary<string, string> _verdicts = new(StringComparer.Ordinal);
    private bool _marks = true;

    private VersionNotes(CudaNotes notes) => _notes = notes;

    /// <summary>What the note is about.</summary>
    internal static string Subject { get; } = "versions " + string.Join(
        ' ', ((Type[])[typeof(KernelCatalog), typeof(CudaAccelerator), typeof(VersionNotes)]).Select(type => type.Module.ModuleVersionId.ToString("N")));

    /// <summary>Reads what there is; a note that is damaged, or of other words than ours, says nothing.</summary>
    public static VersionNotes Read(CudaNotes notes)
    {
        var known = new VersionNotes(notes);
        foreach (string line in (notes.Recall(Subject) ?? "").Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            string[] words = line.Split('\t', 2);
            if (words.Length == 2 && DeviceVersion.All.Any(version => version.Name == words[0])) known._verdicts[words[0]] = words[1];
        }
        return known;
    }

    /// <summary>Forgets everything about a chip.</summary>
    public static void Forget(CudaNotes notes) => notes.Remember(Subject, "");

    /// <summary>Whether it has been tried, one way or the other.</summary>
    public bool IsTried(DeviceVersion version) => _verdicts.TryGetValue(version.Name, out string? verdict) && verdict != Trying;

    /// <summary>Whether it was being tried when somebody's process ended.</summary>
    public bool WasTrying(DeviceVersion version) => _verdicts.GetValueOrDefault(version.Name) == Trying;

    /// <summary>Whether it may be used.</summary>
    public bool IsRight(DeviceVersion version) => _verdicts.GetValueOrDefault(version.Name) == Right;

    /// <summary>Why it is left out; null when it is not.</summary>
    public string? WhyNot(DeviceVersion version) => IsTried(version) && !IsRight(version) ? _verdicts[version.Name] : null;

    /// <summary>From here to the verdict, an end of the process speaks against the version.</summary>
    public void Mark(DeviceVersion version)
    {
        lock (_gate)
            if (_marks) Set(version, Trying);
    }

    /// <summary>The verdict: right, or why not.</summary>
    public void Decide(DeviceVersion version, string? whyNot)
    {
        lock (_gate) Set(version, whyNot is null ? Right : string.Join(' ', whyNot.Split(['\n', '\r', '\t'], StringSplitOptions.RemoveEmptyEntries)));
    }

    /// <summary>Whoever ends the process now does not mean the version that is being tried.</summary>
    public void Unmark()
    {
        lock (_gate)
        {
            _marks = false;
            string[] marked = [.. _verdicts.Where(verdict => verdict.Value == Trying).Select(verdict => verdict.Key)];
            foreach (string name in marked) _verdicts.Remove(name);
            if (marked.Length > 0) Save();
        }
    }

    private void Set(DeviceVersion version, string verdict)
    {
        _verdicts[version.Name] = verdict;
        Save();
    }

    private void Save() => _notes.Remember(Subject, string.Join('\n', _verdicts.Select(verdict => $"{verdict.Key}\t{verdict.Value}")));
}
#endif
