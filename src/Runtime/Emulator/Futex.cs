using System.Runtime.InteropServices;

namespace OllmNative.Runtime.Emulator;

/// <summary>
/// Linux' own way to sleep on a word of memory. The runtime's events cost several times as much, and a barrier of a group is a
/// switch for each of its threads. Elsewhere, and where the call is missing, <see cref="Fiber"/> uses a monitor.
/// </summary>
internal static unsafe partial class Futex
{
    private const int WaitPrivate = 128, WakePrivate = 129;
    private static readonly nint Call = RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? 98 : 202;

    /// <summary>Whether the other methods can be called.</summary>
    public static bool IsAvailable { get; } = OperatingSystem.IsLinux()
        && RuntimeInformation.ProcessArchitecture is Architecture.X64 or Architecture.Arm64 && Try();

    /// <summary>Sleeps while the word is <paramref name="expected"/>; may wake for no reason.</summary>
    public static void Wait(int* word, int expected) => SystemCall(Call, word, WaitPrivate, expected, 0, 0, 0);

    /// <summary>Wakes one sleeper.</summary>
    public static void Wake(int* word) => SystemCall(Call, word, WakePrivate, 1, 0, 0, 0);

    private static bool Try()
    {
        try
        {
            int word = 0;
            return SystemCall(Call, &word, WakePrivate, 1, 0, 0, 0) == 0;
        }
        catch (Exception error) when (error is DllNotFoundException or EntryPointNotFoundException)
        {
            return false;
        }
    }

    [LibraryImport("libc", EntryPoint = "syscall")]
    private static partial nint SystemCall(nint number, int* word, nint operation, nint value, nint timeout, nint word2, nint value3);
}
