using System.Diagnostics;
using System.Runtime.InteropServices;

namespace OllmNative.Runtime.Cuda;

/// <summary>An end of the process that does not ask the driver, whose own clearing up would wait for a kernel that never ends.</summary>
internal static partial class QuickExit
{
    /// <summary>From now on the process ends so, with the exit code that it would have had.</summary>
    public static void Arm() => AppDomain.CurrentDomain.ProcessExit += static (_, _) =>
    {
        if (OperatingSystem.IsWindows()) Process.GetCurrentProcess().Kill();
        else Exit(Environment.ExitCode);
    };

    [LibraryImport("libc", EntryPoint = "_exit")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial void Exit(int code);
}
