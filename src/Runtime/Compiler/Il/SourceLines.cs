using System.Diagnostics.CodeAnalysis;
using System.Reflection;
using System.Reflection.Metadata;
using System.Reflection.Metadata.Ecma335;
using System.Reflection.PortableExecutable;

namespace OllmNative.Runtime.Compiler.Il;

/// <summary>Source lines of IL offsets, from the portable PDB beside or inside the assembly.</summary>
internal static class SourceLines
{
    /// <summary>"file:line" of an IL offset, or null when there are no symbols for it. Never throws.</summary>
    [UnconditionalSuppressMessage("SingleFile", "IL3002", Justification = "A module inside a single-file program has no path; then there are no lines.")]
    public static string? Find(MethodBase method, int ilOffset)
    {
        try
        {
            string path = method.Module.FullyQualifiedName;
            if (!File.Exists(path)) return null;
            using var stream = File.OpenRead(path);
            using var assembly = new PEReader(stream);
            if (!assembly.TryOpenAssociatedPortablePdb(path, pdb => File.Exists(pdb) ? File.OpenRead(pdb) : null, out MetadataReaderProvider? provider, out _)) return null;
            using (provider) return provider is null ? null : Find(provider.GetMetadataReader(), method.MetadataToken, ilOffset);
        }
        catch (Exception error) when (error is IOException or BadImageFormatException or NotSupportedException or InvalidOperationException or UnauthorizedAccessException)
        {
            return null; // symbols are a courtesy
        }
    }

    private static string? Find(MetadataReader symbols, int token, int ilOffset)
    {
        var handle = (MethodDefinitionHandle)MetadataTokens.EntityHandle(token);
        MethodDebugInformation method = symbols.GetMethodDebugInformation(handle);
        if (method.SequencePointsBlob.IsNil) return null;
        SequencePoint? best = null;
        foreach (SequencePoint point in method.GetSequencePoints())
            if (!point.IsHidden && (best is null || point.Offset <= ilOffset)) best = point;
        if (best is not { } found) return null;
        string file = symbols.GetString(symbols.GetDocument(found.Document).Name);
        return $"{Path.GetFileName(file)}:{found.StartLine}";
    }
}
