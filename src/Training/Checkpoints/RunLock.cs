using OllmNative.Model;

namespace OllmNative.Training;

/// <summary>
/// Says that a run writes into a folder, so that a second one does not sweep away what the first is writing. The system
/// lets go of the lock when the process ends, however it ends.
/// </summary>
public sealed class RunLock : IDisposable
{
    private readonly FileStream _file;

    private RunLock(FileStream file) => _file = file;

    /// <summary>Takes the lock of a folder that exists.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="patience">Milliseconds to wait where another run holds it: one that was killed is about to let go.</param>
    /// <exception cref="OllmException">Another run holds it, or the folder cannot be written.</exception>
    public static RunLock Take(string folder, int patience = 5000)
    {
        string path = Path.Combine(folder, "run.lock");
        SpecialFile.RefuseToWrite(path);
        try
        {
            return new RunLock(DurableFiles.OpenWhenFree(() => new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, 1, FileOptions.DeleteOnClose), patience));
        }
        catch (UnauthorizedAccessException error)
        {
            throw new OllmException($"{folder}: cannot be written: {error.Message}", error);
        }
        catch (IOException error)
        {
            // The lock of another process and a disk that refuses both arrive as IOException; only the first has a file to show.
            string reason = File.Exists(path) ? "another run is writing into it" : $"cannot be written: {error.Message}";
            throw new OllmException($"{folder}: {reason}", error);
        }
    }

    /// <summary>Lets go.</summary>
    public void Dispose() => _file.Dispose();
}
