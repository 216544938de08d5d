namespace OllmNative.Model;

/// <summary>Opens the user's files for reading; everything the file system refuses becomes an <see cref="OllmException"/>.</summary>
internal static class InputFile
{
    /// <exception cref="OllmException">The file is missing, is a folder or may not be read.</exception>
    public static FileStream Open(string path)
    {
        try
        {
            // No buffer: callers map the file or read it in one go.
            SpecialFile.RefuseToRead(path);
            return new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete, bufferSize: 0);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new OllmException($"{path}: no such file", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            string reason = Directory.Exists(path) ? "it is a folder, expected a file" : e.Message;
            throw new OllmException($"{path}: cannot be read: {reason}", e);
        }
    }
}
