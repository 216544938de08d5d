using OllmNative.Model;

namespace OllmNative.Cli;

/// <summary>Places that a command writes to; the file system's refusals become errors that name the option.</summary>
internal static class Files
{
    /// <summary>Makes the folder of a file that is about to be written.</summary>
    /// <exception cref="OllmException">The path is a folder, or its folder cannot be made.</exception>
    public static void PrepareFile(string option, string path)
    {
        if (path.Length == 0 || Directory.Exists(path)) throw new OllmException($"{option} {path}: is a folder, expected the name of a file");
        if (Path.GetDirectoryName(Path.GetFullPath(path)) is { } folder) PrepareFolder(option, folder);
    }

    /// <summary>Makes a folder that is about to be filled.</summary>
    /// <exception cref="OllmException">It cannot be made.</exception>
    public static void PrepareFolder(string option, string path)
    {
        if (path.Length == 0) throw new OllmException($"{option} is empty, expected a folder");
        try
        {
            Directory.CreateDirectory(path);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            throw new OllmException($"{option} {path}: the folder cannot be made: {error.Message}", error);
        }
    }

    /// <summary>Refuses to go on when the folder holds one of the files, unless forced.</summary>
    /// <exception cref="OllmException">One of them exists.</exception>
    public static void RefuseExisting(string option, string folder, bool force, params ReadOnlySpan<string> names)
    {
        if (force) return;
        foreach (string name in names)
            if (File.Exists(Path.Combine(folder, name))) throw new OllmException($"{option} {folder}: holds {name} already; --force replaces it");
    }
}
