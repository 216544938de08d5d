using OllmNative.Tests;

/// <summary>
/// The runtime calls <see cref="Initialize"/> before Main where DOTNET_STARTUP_HOOKS names this assembly; it finds this type
/// by its name, outside of any namespace.
/// </summary>
internal static class StartupHook
{
    public static void Initialize()
    {
        if (Environment.GetEnvironmentVariable(CpuFallbackTests.Wanted) is string path) Environment.Exit(CpuFallbackTests.RunHere(path));
    }
}
