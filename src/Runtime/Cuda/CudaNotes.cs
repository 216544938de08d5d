using System.Text;

namespace OllmNative.Runtime.Cuda;

/// <summary>
/// What runs have found out about a GPU under its driver: which kernel is fastest, which versions may be used. Notes lie beside the compiled
/// kernels, each subject a file of its own; without a cache there are none, and one that is damaged is as good as absent.
/// </summary>
public sealed class CudaNotes
{
    private const string LockFile = "trials.lock";

    private readonly KernelCache _cache;
    private readonly string _gpu;
    private readonly CudaArchitecture _architecture;
    private readonly int _driver;

    internal CudaNotes(KernelCache cache, string gpu, CudaArchitecture architecture, int driver) =>
        (_cache, _gpu, _architecture, _driver) = (cache, gpu, architecture, driver);

    /// <summary>Notes about a GPU that need not be open.</summary>
    /// <param name="gpu">The GPU.</param>
    /// <param name="driver">The driver, as <see cref="CudaProbe.DriverNumber"/> has it.</param>
    public static CudaNotes Of(CudaGpu gpu, int driver)
    {
        ArgumentNullException.ThrowIfNull(gpu);
        return new CudaNotes(KernelCache.Default, gpu.Name, new CudaArchitecture(gpu.ComputeMajor, gpu.ComputeMinor), driver);
    }

    /// <summary>Whether notes are kept at all.</summary>
    public bool AreKept => _cache.IsEnabled;

    /// <summary>What was noted about a subject; null for nothing.</summary>
    public string? Recall(string subject) => _cache.Read(KeyOf(subject), KernelCache.Note) is { } note ? Encoding.UTF8.GetString(note) : null;

    /// <summary>Notes something for later runs, in place of what was noted about the subject before.</summary>
    public void Remember(string subject, string note) => _cache.Write(KeyOf(subject), KernelCache.Note, Encoding.UTF8.GetBytes(note));

    /// <summary>
    /// Waits until no other process tries anything and keeps the others waiting until it is disposed of; it ends with the process, however
    /// that ends. Null where notes are not kept, or the folder cannot hold a lock.
    /// </summary>
    /// <param name="patience">How long to wait at most; then null too.</param>
    public IDisposable? HoldOthers(TimeSpan patience)
    {
        if (_cache.Folder is not { } folder) return null;
        long start = Environment.TickCount64;
        while (true)
        {
            try
            {
                Directory.CreateDirectory(folder);
                return new FileStream(Path.Combine(folder, LockFile), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            }
            catch (IOException error) when (IsHeld(error) && Environment.TickCount64 - start < patience.TotalMilliseconds)
            {
                Thread.Sleep(50);
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                return null;
            }
        }
    }

    /// <summary>EWOULDBLOCK of Linux and macOS, sharing and lock violations of Windows.</summary>
    private static bool IsHeld(IOException error) => (error.HResult & 0xFFFF) is 11 or 35 or 32 or 33;

    private string KeyOf(string subject) => KernelKey.OfNote(subject, _gpu, _architecture, _driver);
}
