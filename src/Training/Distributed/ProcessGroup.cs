namespace OllmNative.Training;

/// <summary>
/// The processes that train together, each with its own share of the rows. All of them call the same operations in the same
/// order. One process alone is a group too, for which every sum is what it was.
/// </summary>
public abstract class ProcessGroup : IDisposable
{
    /// <summary>A group of one.</summary>
    public static ProcessGroup Single { get; } = new SingleProcess();

    /// <summary>Number of this process, from 0.</summary>
    public abstract int Rank { get; }

    /// <summary>Processes in all.</summary>
    public abstract int Size { get; }

    /// <summary>Number of this process among those on its machine, from 0.</summary>
    public abstract int LocalRank { get; }

    /// <summary>Processes on this machine.</summary>
    public abstract int LocalSize { get; }

    /// <summary>Writes files and speaks for the group.</summary>
    public bool IsFirst => Rank == 0;

    /// <summary>More than one process.</summary>
    public bool IsDistributed => Size > 1;

    /// <summary>Processor threads that are this process' fair share, when its user does not say.</summary>
    public abstract int FairThreads { get; }

    /// <summary>Replaces each value by its sum over the processes. Every process gets the same bits.</summary>
    public abstract void Sum(Span<float> values);

    /// <summary>Replaces each value by its sum over the processes.</summary>
    public abstract void Sum(Span<double> values);

    /// <summary>Replaces each value by its largest over the processes.</summary>
    public abstract void Max(Span<double> values);

    /// <summary>Sends the bytes of one process to all others.</summary>
    public abstract void Broadcast(Span<byte> bytes, int from);

    /// <summary>
    /// Waits for the other processes to come here too, wherever they were, and then replaces each value by its largest over them.
    /// False when some have not come in time; the group can only be ended then, see <see cref="Abort"/>.
    /// </summary>
    public abstract bool TryMeet(Span<double> values, TimeSpan patience);

    /// <summary>
    /// The launcher that has passed a signal on may forget the exit codes of processes that leave in order, and end with 0; the code of
    /// <see cref="Abort"/> it keeps. MPICH 4.0.2 does so one time in four, of a C program as well.
    /// </summary>
    public virtual bool LosesCodesAfterSignals => false;

    /// <summary>Ends every process of the group at once; does not return when there are others.</summary>
    public abstract void Abort(int exitCode);

    /// <summary>The items that this process handles: a contiguous share of <paramref name="count"/>, sizes differing by one at most.</summary>
    public (int First, int Count) ShareOf(int count)
    {
        int first = (int)((long)count * Rank / Size), end = (int)((long)count * (Rank + 1) / Size);
        return (first, end - first);
    }

    /// <summary>Leaves the group.</summary>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Leaves the group.</summary>
    protected virtual void Dispose(bool disposing)
    {
    }

    private sealed class SingleProcess : ProcessGroup
    {
        public override int Rank => 0;
        public override int Size => 1;
        public override int LocalRank => 0;
        public override int LocalSize => 1;
        public override int FairThreads => Environment.ProcessorCount;

        public override void Sum(Span<float> values)
        {
        }

        public override void Sum(Span<double> values)
        {
        }

        public override void Max(Span<double> values)
        {
        }

        public override void Broadcast(Span<byte> bytes, int from)
        {
        }

        public override bool TryMeet(Span<double> values, TimeSpan patience) => true;

        public override void Abort(int exitCode)
        {
        }
    }
}
