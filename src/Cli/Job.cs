using OllmNative.Training;

namespace OllmNative.Cli;

/// <summary>
/// A command that several processes may run together (<c>mpirun -n N ollm ...</c>). Only the first one speaks. An error on
/// any of them ends all: the others may be waiting for a sum that will never come.
/// </summary>
internal static class Job
{
    /// <summary>Runs the action as part of the job that this process was started in, which may be that of one.</summary>
    public static void Run(Output ui, Action<ProcessGroup> action)
    {
        ProcessGroup group = MpiGroup.Join();
        if (!group.IsDistributed)
        {
            action(group);
            group.Dispose();
            return;
        }
        ui.Rank = group.Rank;
        try
        {
            action(group);
            group.Dispose();
        }
#pragma warning disable CA1031 // Whatever it was, the other processes must end too.
        catch (Exception error)
#pragma warning restore CA1031
        {
            // An error that all have in common is told by the first process, which ends the others while they sleep.
            if (!group.IsFirst) Thread.Sleep(5000);
            int code = OllmCli.Report(error, ui);
            ui.Out.Flush();
            ui.Err.Flush();
            group.Abort(code);
            throw;
        }
    }
}
