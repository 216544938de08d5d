using System.Security.Cryptography;
using System.Text;
using OllmNative.Training;

namespace OllmNative.Cli;

/// <summary>
/// A command that several processes may run together (<c>mpirun -n N ollm ...</c>). Only the first one speaks. An error on
/// any of them ends all: the others may be waiting for a sum that will never come.
/// </summary>
internal static class Job
{
    // Long enough for a slow machine, short enough for a person who waits.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    /// <summary>Runs the action as part of the job that this process was started in, which may be that of one; returns the exit code.</summary>
    public static int Run(Output ui, Action<ProcessGroup> action)
    {
        ProcessGroup group = MpiGroup.Join();
        (ui.Rank, ui.InJob) = (group.Rank, group.IsDistributed);
        try
        {
            action(group);
            group.Dispose();
            return 0;
        }
#pragma warning disable CA1031 // Whatever it was, the other processes must end too.
        catch (Exception error) when (group.IsDistributed)
#pragma warning restore CA1031
        {
            return End(group, error, ui);
        }
    }

    /// <summary>
    /// An error that all processes have in common is told once, and all leave in order with its exit code, which mpirun then has too: after
    /// MPI_Abort each launcher makes up a code of its own. An error of one process alone ends the others where they are.
    /// </summary>
    private static int End(ProcessGroup group, Exception error, Output ui)
    {
        int code = OllmCli.CodeOf(error, ui);
        // 48 bits of a hash are exact in a double.
        double hash = BitConverter.ToUInt64(SHA256.HashData(Encoding.UTF8.GetBytes(error.Message))) >> 16;
        Span<double> largest = [code, hash, -hash];
        bool met = group.TryMeet(largest, Patience), same = met && largest[1] == -largest[2];
        if (group.IsFirst || !same) OllmCli.Report(error, ui);
        ui.Out.Flush();
        ui.Err.Flush();
        if (met) code = (int)largest[0];
        if (!met || (code == OllmCli.Interrupted && group.LosesCodesAfterSignals)) group.Abort(code);
        group.Dispose();
        return code;
    }
}
