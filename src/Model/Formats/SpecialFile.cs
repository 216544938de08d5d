using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace OllmNative.Model;

/// <summary>
/// Names that are no plain files. A folder from somebody else can carry a pipe under the name of a file, whose opening waits for ever, or a
/// link to a device without an end, or one to a file of the user's that a run would then write to. So files are looked at before they are opened.
/// </summary>
public static partial class SpecialFile
{
    private enum Kind
    {
        Unknown, Missing, File, Folder, Pipe, Device,
    }

    /// <summary>Requires something that can be read to its end, or nothing at all: the real open says why that fails.</summary>
    /// <exception cref="OllmException">It is a pipe, a socket or a device.</exception>
    public static void RefuseToRead(string path)
    {
        Kind kind = KindOf(path);
        if (kind is Kind.Pipe or Kind.Device) throw new OllmException($"{path}: is a {(kind == Kind.Pipe ? "pipe" : "device")}, expected a file");
    }

    /// <summary>The same of what a user names as input: the shell's own pipes, <c>&lt;(zcat ...)</c> and stdin, have a writer and an end.</summary>
    /// <exception cref="OllmException">It is another pipe, a socket or a device.</exception>
    public static void RefuseToReadAsInput(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        if (!path.StartsWith("/dev/fd/", StringComparison.Ordinal) && path != "/dev/stdin") RefuseToRead(path);
    }

    /// <summary>Requires a name that a run can write to without changing anything outside of its folder.</summary>
    /// <exception cref="OllmException">It is a link or a pipe.</exception>
    public static void RefuseToWrite(string path)
    {
        if (new FileInfo(path).LinkTarget is not null)
            throw new OllmException($"{path}: is a link, expected a file: what it leads to would be written; remove the link or take another folder");
        if (KindOf(path) == Kind.Pipe) throw new OllmException($"{path}: is a pipe, expected a file");
    }

    private static Kind KindOf(string path)
    {
        if (OperatingSystem.IsWindows()) return Kind.Unknown;
        if (!File.Exists(path)) return Directory.Exists(path) ? Kind.Folder : Kind.Missing;
        return OperatingSystem.IsLinux() ? KindByStatus(path) : KindByOpening(path);
    }

    /// <summary>The file type of statx, whose structure is the same on every Linux.</summary>
    private static Kind KindByStatus(string path)
    {
        const int currentFolder = -100, type = 1, modeAt = 28, typeBits = 0xf000, regular = 0x8000, folder = 0x4000, characters = 0x2000, blocks = 0x6000;
        Span<byte> status = stackalloc byte[256];
        if (Status(currentFolder, path, 0, type, ref MemoryMarshal.GetReference(status)) != 0) return Kind.Unknown;
        return (BinaryPrimitives.ReadUInt16LittleEndian(status[modeAt..]) & typeBits) switch
        {
            regular => Kind.File,
            folder => Kind.Folder,
            characters or blocks => Kind.Device,
            _ => Kind.Pipe,
        };
    }

    /// <summary>Elsewhere: an open that does not wait (O_RDONLY, O_NONBLOCK, O_CLOEXEC of macOS); what cannot be read at any place is a pipe.</summary>
    private static Kind KindByOpening(string path)
    {
        int file = Open(path, 4 | 0x1000000);
        if (file < 0) return Kind.Unknown;
        using var stream = new FileStream(new SafeFileHandle(file, ownsHandle: true), FileAccess.Read, bufferSize: 0);
        return stream.CanSeek ? Kind.File : Kind.Pipe;
    }

    [LibraryImport("libc", EntryPoint = "statx", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Status(int folder, string path, int flags, uint mask, ref byte status);

    [LibraryImport("libc", EntryPoint = "open", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);
}
