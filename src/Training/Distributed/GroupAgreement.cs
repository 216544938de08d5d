using System.Security.Cryptography;
using System.Text;
using OllmNative.Model;

namespace OllmNative.Training;

/// <summary>What all processes of a group must have in common, checked so that a mix-up ends with a message instead of a hang or a wrong sum.</summary>
public static class GroupAgreement
{
    // What passes through the hands of a process that does not keep it goes in pieces of this size.
    private const int PieceBytes = 1 << 20;

    /// <summary>True on every process when it is true on any: a signal that reached one of them stops all after the same step.</summary>
    public static bool Any(this ProcessGroup group, bool flag)
    {
        ArgumentNullException.ThrowIfNull(group);
        if (!group.IsDistributed) return flag;
        Span<double> any = [flag ? 1 : 0];
        group.Max(any);
        return any[0] > 0;
    }

    /// <summary>Waits for all processes.</summary>
    public static void Barrier(this ProcessGroup group) => _ = group.Any(false);

    /// <summary>The bytes that each process gives, by rank, on every process.</summary>
    public static byte[][] Gather(this ProcessGroup group, byte[] own) => Exchange(group, own, keeps: true);

    /// <summary>The bytes that each process gives, by rank, on the first process; the others get none, and need no memory for them.</summary>
    public static byte[][] GatherFirst(this ProcessGroup group, byte[] own)
    {
        ArgumentNullException.ThrowIfNull(group);
        return Exchange(group, own, group.IsFirst);
    }

    private static byte[][] Exchange(ProcessGroup group, byte[] own, bool keeps)
    {
        ArgumentNullException.ThrowIfNull(group);
        ArgumentNullException.ThrowIfNull(own);
        if (!group.IsDistributed) return [own];
        Span<double> lengths = new double[group.Size];
        lengths[group.Rank] = own.Length;
        group.Sum(lengths);
        var all = new byte[keeps ? group.Size : 0][];
        byte[] passing = keeps ? [] : new byte[PieceBytes];
        for (int rank = 0; rank < group.Size; rank++)
        {
            int length = (int)lengths[rank];
            byte[] bytes = rank == group.Rank ? own : keeps ? new byte[length] : passing;
            if (keeps) all[rank] = bytes;
            for (int at = 0; at < length; at += PieceBytes)
                group.Broadcast(bytes.AsSpan(ReferenceEquals(bytes, passing) ? 0 : at, Math.Min(PieceBytes, length - at)), rank);
        }
        return all;
    }

    /// <summary>Requires the same text on every process.</summary>
    /// <exception cref="OllmException">The processes differ; each one throws.</exception>
    public static void RequireSame(this ProcessGroup group, string what, string text)
    {
        ArgumentNullException.ThrowIfNull(group);
        if (!group.IsDistributed) return;
        // 48 bits of a hash are exact in a double.
        double hash = BitConverter.ToUInt64(SHA256.HashData(Encoding.UTF8.GetBytes(text))) >> 16;
        Span<double> ends = [hash, -hash];
        group.Max(ends);
        if (ends[0] != -ends[1])
            throw new OllmException($"the processes started by mpirun differ in {what}; this one has {text}. Give all the same options, files and version of the program");
    }

    /// <summary>Requires parameters that agree but for rounding: all processes make the same updates from the same sums.</summary>
    /// <exception cref="OllmException">The processes have drifted apart.</exception>
    public static void RequireClose(this ProcessGroup group, string what, double value)
    {
        ArgumentNullException.ThrowIfNull(group);
        if (!group.IsDistributed) return;
        Span<double> ends = [value, -value];
        group.Max(ends);
        if (!(ends[0] + ends[1] <= 1e-6 * Math.Abs(ends[0])))
            throw new OllmException($"the processes have drifted apart: {what} is {-ends[1]:R} on one of them and {ends[0]:R} on another. The last checkpoint stays");
    }
}
