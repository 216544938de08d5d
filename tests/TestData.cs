namespace OllmNative.Tests;

/// <summary>Where tests find the public data that is not part of the repository; tests that need it are skipped elsewhere.</summary>
internal static class TestData
{
    private static readonly string? Root = Environment.GetEnvironmentVariable("OLLM_TEST_DATA");

    /// <summary>Path of a file or folder of the public data; skips the calling test when it is not there.</summary>
    public static string Require(params string[] parts)
    {
        Skip.If(string.IsNullOrEmpty(Root), "OLLM_TEST_DATA is not set: the public tokenizers and data sets are not on this machine");
        string path = Path.Combine([Root!, .. parts]);
        Skip.IfNot(Path.Exists(path), $"{string.Join('/', parts)} is missing under OLLM_TEST_DATA");
        return path;
    }

    /// <summary>A fresh empty folder, removed with the temporary files of the machine.</summary>
    public static string NewFolder() => Directory.CreateTempSubdirectory("ollm-test-").FullName;
}
