using System.Reflection;

namespace OllmNative.Cli.Server;

/// <summary>A file of the option explorer's page.</summary>
/// <param name="Content">Its bytes.</param>
/// <param name="ContentType">Its media type.</param>
internal sealed record PageFile(byte[] Content, string ContentType);

/// <summary>The page's files, which are part of the program.</summary>
internal static class PageFiles
{
    private const string Folder = "wwwroot/";

    /// <summary>Files by path; the page itself is <c>/</c>.</summary>
    public static IReadOnlyDictionary<string, PageFile> Load()
    {
        Assembly assembly = typeof(PageFiles).Assembly;
        var files = new Dictionary<string, PageFile>(StringComparer.Ordinal);
        foreach (string resource in assembly.GetManifestResourceNames())
        {
            string name = resource.Replace('\\', '/');
            if (!name.StartsWith(Folder, StringComparison.Ordinal)) continue;
            using Stream stream = assembly.GetManifestResourceStream(resource)!;
            var content = new byte[stream.Length];
            stream.ReadExactly(content);
            string path = "/" + name[Folder.Length..];
            files[path == "/index.html" ? "/" : path] = new PageFile(content, TypeOf(path));
        }
        return files;
    }

    private static string TypeOf(string path) => Path.GetExtension(path) switch
    {
        ".html" => "text/html; charset=utf-8",
        ".js" or ".mjs" => "text/javascript; charset=utf-8",
        ".css" => "text/css; charset=utf-8",
        ".svg" => "image/svg+xml",
        ".png" => "image/png",
        ".ico" => "image/x-icon",
        ".json" => "application/json",
        ".woff2" => "font/woff2",
        _ => "application/octet-stream",
    };
}
