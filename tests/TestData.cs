namespace OllmNative.Tests;

/// <summary>Where tests find the public data that is not part of the repository; tests that need it are skipped elsewhere.</summary>
internal static class TestData
{
    private static readonly string? Root = Environment.GetEnvironmentVariable("OLLM_TEST_DATA");
    private static readonly string Folders = Directory.CreateTempSubdirectory("ollm-test-").FullName;
    private static int _folders;


    /// <summary>Path of a file or folder of the public data; skips the calling test when it is not there.</summary>
    public static string Require(params string[] parts)
    {
        Skip.If(string.IsNullOrEmpty(Root), "OLLM_TEST_DATA is not set: the public tokenizers and data sets are not on this machine");
        string path = Path.Combine([Root!, .. parts]);
        Skip.IfNot(Path.Exists(path), $"{string.Join('/', parts)} is missing under OLLM_TEST_DATA");
        return path;
    }

    /// <summary>A fresh empty folder, removed when all tests have ended.</summary>
    public static string NewFolder() => Directory.CreateDirectory(Path.Combine(Folders, $"{Interlocked.Increment(ref _folders)}")).FullName;

    /// <summary>Removes the folders.</summary>
    public static void RemoveFolders()
    {
        try
        {
            Directory.Delete(Folders, recursive: true);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // A file is in use, or a test has made a folder read-only: what is left goes with the machine's temporary files.
        }
    }
}
