using System.Runtime.InteropServices;
using System.Text;
using System.Text.RegularExpressions;

namespace OllmNative.Model;

/// <summary>
/// Files that a crash cannot break: written under another name, flushed to the disk, renamed. After a power cut the old file
/// or the new one is there. A rename is only safe once the folder is flushed too, which .NET cannot do, so the C library is asked.
/// </summary>
public static partial class DurableFiles
{
    /// <summary>The other name under which <paramref name="path"/> is written until it is whole.</summary>
    public static string TemporaryName(string path) => $"{path}.{Guid.NewGuid():N}.tmp";

    /// <summary>Writes a file, replacing an older one in one step.</summary>
    /// <exception cref="OllmException">The file cannot be written; an older one is as it was.</exception>
    public static void Write(string path, Action<Stream> write)
    {
        ArgumentNullException.ThrowIfNull(write);
        string temporary = TemporaryName(path);
        try
        {
            using (var stream = new FileStream(temporary, FileMode.CreateNew, FileAccess.Write, FileShare.None, bufferSize: 1 << 16))
            {
                write(stream);
                stream.Flush(flushToDisk: true);
            }
            File.Move(temporary, path, overwrite: true);
            FlushFolder(Path.GetDirectoryName(Path.GetFullPath(path))!);
        }
        catch (Exception e)
        {
            TryDelete(temporary);
            if (IsRefusal(e)) throw new OllmException($"{path}: cannot be written: {e.Message}", e);
            throw;
        }
    }

    /// <summary>Writes a text file as UTF-8, replacing an older one in one step.</summary>
    /// <exception cref="OllmException">The file cannot be written; an older one is as it was.</exception>
    public static void WriteText(string path, string text) => Write(path, stream => stream.Write(Encoding.UTF8.GetBytes(text)));

    /// <summary>
    /// Whether the file system has refused to write: no room, no permission, a failing disk. .NET reports a file beyond the
    /// limit of the file system or of the user as an argument out of range.
    /// </summary>
    public static bool IsRefusal(Exception error) => error is IOException or UnauthorizedAccessException or ArgumentOutOfRangeException { ParamName: "value" };

    /// <summary>
    /// Opens a file that another process may hold for a moment longer: the system lets go of a killed one's files a little after
    /// its launcher has ended.
    /// </summary>
    /// <param name="open">Opens the file.</param>
    /// <param name="patience">Milliseconds to wait for it.</param>
    /// <exception cref="IOException">It is still held then, or cannot be opened for another reason.</exception>
    public static FileStream OpenWhenFree(Func<FileStream> open, int patience = 5000)
    {
        ArgumentNullException.ThrowIfNull(open);
        const int pause = 20;
        for (int waited = 0; ; waited += pause)
        {
            try
            {
                return open();
            }
            catch (IOException error) when (IsHeld(error) && waited < patience)
            {
                Thread.Sleep(pause);
            }
        }
    }

    /// <summary>Whether a file cannot be opened because another process has it: EWOULDBLOCK of the file lock, or Windows' sharing violation.</summary>
    private static bool IsHeld(IOException error) =>
        error.HResult == (OperatingSystem.IsWindows() ? unchecked((int)0x80070020) : OperatingSystem.IsMacOS() ? 35 : 11);

    /// <summary>Flushes the names in a folder to the disk. Does nothing on Windows, whose file systems log renames themselves.</summary>
    /// <exception cref="IOException">The disk fails.</exception>
    public static void FlushFolder(string folder)
    {
        if (OperatingSystem.IsWindows()) return;
        const int readOnly = 0, ioError = 5, noSpace = 28;
        int file = Open(folder, readOnly);
        if (file < 0) return; // A folder that may be written but not listed: its names reach the disk a little later.
        int failed = Flush(file), reason = Marshal.GetLastPInvokeError();
        _ = Close(file);
        // Other codes say that this file system knows no such flush.
        if (failed != 0 && reason is ioError or noSpace) throw new IOException($"{folder}: cannot be flushed to the disk: {Marshal.GetPInvokeErrorMessage(reason)}");
    }

    /// <summary>Removes what killed writers left in a folder: files of the names that <see cref="TemporaryName"/> makes.</summary>
    public static void Sweep(string folder)
    {
        if (!Directory.Exists(folder)) return;
        foreach (string file in Directory.EnumerateFiles(folder, "*.tmp").Where(file => Leftover().IsMatch(file)).ToArray()) TryDelete(file);
    }

    /// <summary>Deletes a file if that can be done.</summary>
    internal static void TryDelete(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The first error is the one that the user must see; a leftover temporary file harms nothing.
        }
    }

    [GeneratedRegex(@"\.[0-9a-f]{32}\.tmp$", RegexOptions.NonBacktracking)]
    private static partial Regex Leftover();

    [LibraryImport("libc", EntryPoint = "open", StringMarshalling = StringMarshalling.Utf8, SetLastError = true)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static partial int Flush(int file);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int Close(int file);
}
