using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace OllmNative.Model;

/// <summary>
/// Pipes and sockets. An archive can carry a pipe under the name of a file; opening one for reading waits for a
/// writer that never comes, so it is looked at first, with an open that does not wait.
/// </summary>
internal static partial class SpecialFile
{
    /// <summary>Whether the path leads to something that cannot be read at any place. False where it cannot be told.</summary>
    public static bool IsSpecial(string path)
    {
        if (OperatingSystem.IsWindows() || !File.Exists(path)) return false;
        // O_RDONLY | O_NONBLOCK | O_CLOEXEC
        int flags = OperatingSystem.IsLinux() ? 0x800 | 0x80000 : 4 | 0x1000000;
        int file = Open(path, flags);
        if (file < 0) return false; // The real open says why.
        using var stream = new FileStream(new SafeFileHandle(file, ownsHandle: true), FileAccess.Read, bufferSize: 0);
        return !stream.CanSeek;
    }

    [LibraryImport("libc", EntryPoint = "open", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);
}
