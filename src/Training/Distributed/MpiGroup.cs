using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using OllmNative.Model;

namespace OllmNative.Training;

/// <summary>The processes that one <c>mpirun</c> has started.</summary>
public sealed unsafe class MpiGroup : ProcessGroup
{
    // MPI counts elements with an int; pieces also keep the library's own buffers small.
    private const int PieceLength = 1 << 24;

    private readonly MpiLibrary _mpi;

    // Processes that have failed meet in a world of their own: in the first one some may wait for sums that never come.
    private readonly nint _meeting;

    private MpiGroup(MpiLibrary mpi)
    {
        _mpi = mpi;
        int started, rank, size, level;
        Check(mpi.Initialized(&started), "MPI_Initialized");
        // Level 1 (MPI_THREAD_FUNNELED): only the training thread calls MPI, the device's workers do not.
        if (started == 0) Check(mpi.InitThread(null, null, 1, &level), "MPI_Init_thread");
        Check(mpi.CommRank(mpi.World, &rank), "MPI_Comm_rank");
        Check(mpi.CommSize(mpi.World, &size), "MPI_Comm_size");
        (Rank, Size) = (rank, size);
        // With the library of another MPI than the launcher's every process is a job of its own, and all would write the same files.
        if (LaunchedSize is { } launched && launched != size.ToString(CultureInfo.InvariantCulture))
        {
            throw new OllmException(
                $"mpirun has started {launched} processes, but {mpi.Name} knows of {size}: it belongs to another MPI. Give the library of this mpirun in {MpiLibrary.OverrideVariable}");
        }
        nint local = 0, meeting = 0;
        Check(mpi.CommDup(mpi.World, &meeting), "MPI_Comm_dup");
        _meeting = meeting;
        Check(mpi.CommSplitType(mpi.World, mpi.SharedMemory, 0, mpi.NoInfo, &local), "MPI_Comm_split_type");
        Check(mpi.CommRank(local, &rank), "MPI_Comm_rank");
        Check(mpi.CommSize(local, &size), "MPI_Comm_size");
        (LocalRank, LocalSize) = (rank, size);
        FairThreads = ShareOfProcessors(local);
    }

    /// <inheritdoc/>
    public override int Rank { get; }

    /// <inheritdoc/>
    public override int Size { get; }

    /// <inheritdoc/>
    public override int LocalRank { get; }

    /// <inheritdoc/>
    public override int LocalSize { get; }

    /// <inheritdoc/>
    public override int FairThreads { get; }

    /// <summary>
    /// The group of this process: that of the <c>mpirun</c> that has started it, told by the environment that Open MPI,
    /// MPICH's Hydra and PMIx launchers set, else <see cref="ProcessGroup.Single"/>.
    /// </summary>
    /// <exception cref="OllmException">Started by mpirun, but its MPI library is not installed.</exception>
    public static ProcessGroup Join() => IsLaunched ? new MpiGroup(MpiLibrary.Load(IsOpenMpi || LaunchedSize is null)) : Single;

    /// <summary>Whether this process is one of several that mpirun has started, as far as the environment says.</summary>
    public static bool IsLaunched => LaunchedSize is { } size ? size != "1" : Environment.GetEnvironmentVariable("PMIX_RANK") is not null;

    private static bool IsOpenMpi => Environment.GetEnvironmentVariable("OMPI_COMM_WORLD_SIZE") is not null;

    /// <summary>How many processes the launcher says that it has started; null when it says nothing.</summary>
    private static string? LaunchedSize => Environment.GetEnvironmentVariable("OMPI_COMM_WORLD_SIZE") ?? Environment.GetEnvironmentVariable("PMI_SIZE");

    /// <inheritdoc/>
    public override void Sum(Span<float> values)
    {
        fixed (float* first = values) Reduce(_mpi.World, first, values.Length, sizeof(float), _mpi.Float, _mpi.Sum);
    }

    /// <inheritdoc/>
    public override void Sum(Span<double> values)
    {
        fixed (double* first = values) Reduce(_mpi.World, first, values.Length, sizeof(double), _mpi.Double, _mpi.Sum);
    }

    /// <inheritdoc/>
    public override void Max(Span<double> values)
    {
        fixed (double* first = values) Reduce(_mpi.World, first, values.Length, sizeof(double), _mpi.Double, _mpi.Max);
    }

    /// <inheritdoc/>
    public override void Broadcast(Span<byte> bytes, int from)
    {
        for (int done = 0; done < bytes.Length; done += PieceLength)
        {
            Span<byte> piece = bytes.Slice(done, Math.Min(PieceLength, bytes.Length - done));
            fixed (byte* first = piece) Check(_mpi.Broadcast(first, piece.Length, _mpi.Byte, from, _mpi.World), "MPI_Bcast");
        }
    }

    /// <inheritdoc/>
    public override bool LosesCodesAfterSignals => !_mpi.IsOpenMpi;

    /// <inheritdoc/>
    public override bool TryMeet(Span<double> values, TimeSpan patience)
    {
        nuint bytes = (nuint)values.Length * sizeof(double);
        var buffer = (double*)NativeMemory.Alloc(bytes);
        values.CopyTo(new Span<double>(buffer, values.Length));
        nint request = 0;
        int met = 0;
        Check(_mpi.BeginAllreduce(_mpi.InPlace, buffer, values.Length, _mpi.Double, _mpi.Max, _meeting, &request), "MPI_Iallreduce");
        long start = Stopwatch.GetTimestamp();
        while (true)
        {
            Check(_mpi.Test(&request, &met, _mpi.NoStatus), "MPI_Test");
            if (met != 0 || Stopwatch.GetElapsedTime(start) > patience) break;
            Thread.Sleep(5);
        }
        // MPI may still write to the memory of a meeting that has not taken place.
        if (met == 0) return false;
        new Span<double>(buffer, values.Length).CopyTo(values);
        NativeMemory.Free(buffer);
        return true;
    }

    /// <inheritdoc/>
    public override void Abort(int exitCode) => _ = _mpi.Abort(_mpi.World, exitCode);

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing) _ = _mpi.Complete();
        base.Dispose(disposing);
    }

    /// <summary>
    /// Each processor that this process may use counts as one over the processes of the machine that may use it: right where
    /// mpirun binds processes to processors, and where it does not.
    /// </summary>
    private int ShareOfProcessors(nint local)
    {
        int[] mine = Affinity.Allowed();
        if (mine.Length == 0) return Math.Max(1, Environment.ProcessorCount / LocalSize);
        Span<double> users = stackalloc double[Affinity.Most];
        users.Clear();
        foreach (int processor in mine) users[processor] = 1;
        fixed (double* first = users) Reduce(local, first, users.Length, sizeof(double), _mpi.Double, _mpi.Sum);
        double share = 0;
        foreach (int processor in mine) share += 1 / users[processor];
        return Math.Clamp((int)(share + 1e-6), 1, Math.Max(1, Environment.ProcessorCount));
    }

    private void Reduce(nint group, void* values, int count, int bytes, nint type, nint operation)
    {
        for (int done = 0; done < count; done += PieceLength)
            Check(_mpi.Allreduce(_mpi.InPlace, (byte*)values + (long)done * bytes, Math.Min(PieceLength, count - done), type, operation, group), "MPI_Allreduce");
    }

    private static void Check(int code, string function)
    {
        if (code != 0) throw new InvalidOperationException($"{function} failed with code {code}");
    }
}
