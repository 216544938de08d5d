using System.Runtime.InteropServices;
using OllmNative.Model;

namespace OllmNative.Training;

/// <summary>
/// The MPI library of the machine, found when a job starts: Open MPI 4 or 5 (libmpi.so.40) or MPICH and its relatives
/// (libmpi.so.12; libmpich.so.12 on Debian). A process belongs to the job only through the library of the launcher that has started it,
/// so that one is tried first. Their binary interfaces differ: Open MPI's handles are addresses of exported objects, MPICH's are 32-bit
/// numbers fixed by its header. Both travel in a native integer here: where a C function takes an int, it reads the lower
/// half of the register, and a handle written as an int into a zeroed native integer is that int (little endian).
/// </summary>
internal sealed unsafe class MpiLibrary
{
    /// <summary>Names a library to load instead of those that are looked for.</summary>
    public const string OverrideVariable = "OLLM_MPI_LIBRARY";

    private readonly nint _library;

    private MpiLibrary(nint library, string name)
    {
        (_library, Name) = (library, name);
        IsOpenMpi = NativeLibrary.TryGetExport(library, "ompi_mpi_comm_world", out _);
        World = Handle("ompi_mpi_comm_world", 0x44000000);
        Float = Handle("ompi_mpi_float", 0x4c00040a);
        Double = Handle("ompi_mpi_double", 0x4c00080b);
        Byte = Handle("ompi_mpi_byte", 0x4c00010d);
        Sum = Handle("ompi_mpi_op_sum", 0x58000003);
        Max = Handle("ompi_mpi_op_max", 0x58000001);
        NoInfo = Handle("ompi_mpi_info_null", 0x1c000000);
        InPlace = (void*)(IsOpenMpi ? 1 : -1);
        NoStatus = (void*)(IsOpenMpi ? 0 : 1);
        SharedMemory = IsOpenMpi ? 0 : 1;
        InitThread = (delegate* unmanaged[Cdecl]<void*, void*, int, int*, int>)Function("MPI_Init_thread");
        Initialized = (delegate* unmanaged[Cdecl]<int*, int>)Function("MPI_Initialized");
        CommRank = (delegate* unmanaged[Cdecl]<nint, int*, int>)Function("MPI_Comm_rank");
        CommSize = (delegate* unmanaged[Cdecl]<nint, int*, int>)Function("MPI_Comm_size");
        CommSplitType = (delegate* unmanaged[Cdecl]<nint, int, int, nint, nint*, int>)Function("MPI_Comm_split_type");
        Allreduce = (delegate* unmanaged[Cdecl]<void*, void*, int, nint, nint, nint, int>)Function("MPI_Allreduce");
        Broadcast = (delegate* unmanaged[Cdecl]<void*, int, nint, int, nint, int>)Function("MPI_Bcast");
        CommDup = (delegate* unmanaged[Cdecl]<nint, nint*, int>)Function("MPI_Comm_dup");
        BeginAllreduce = (delegate* unmanaged[Cdecl]<void*, void*, int, nint, nint, nint, nint*, int>)Function("MPI_Iallreduce");
        Test = (delegate* unmanaged[Cdecl]<nint*, int*, void*, int>)Function("MPI_Test");
        Abort = (delegate* unmanaged[Cdecl]<nint, int, int>)Function("MPI_Abort");
        Complete = (delegate* unmanaged[Cdecl]<int>)Function("MPI_Finalize");
    }

    public string Name { get; }

    public bool IsOpenMpi { get; }

    public nint World { get; }

    public nint Float { get; }

    public nint Double { get; }

    public nint Byte { get; }

    public nint Sum { get; }

    public nint Max { get; }

    public nint NoInfo { get; }

    /// <summary>Says that a buffer is read and written.</summary>
    public void* InPlace { get; }

    /// <summary>Asks for no status of what has ended.</summary>
    public void* NoStatus { get; }

    /// <summary>Asks <see cref="CommSplitType"/> for the processes of one machine.</summary>
    public int SharedMemory { get; }

    public delegate* unmanaged[Cdecl]<void*, void*, int, int*, int> InitThread { get; }

    public delegate* unmanaged[Cdecl]<int*, int> Initialized { get; }

    public delegate* unmanaged[Cdecl]<nint, int*, int> CommRank { get; }

    public delegate* unmanaged[Cdecl]<nint, int*, int> CommSize { get; }

    public delegate* unmanaged[Cdecl]<nint, int, int, nint, nint*, int> CommSplitType { get; }

    public delegate* unmanaged[Cdecl]<void*, void*, int, nint, nint, nint, int> Allreduce { get; }

    public delegate* unmanaged[Cdecl]<void*, int, nint, int, nint, int> Broadcast { get; }

    public delegate* unmanaged[Cdecl]<nint, nint*, int> CommDup { get; }

    public delegate* unmanaged[Cdecl]<void*, void*, int, nint, nint, nint, nint*, int> BeginAllreduce { get; }

    public delegate* unmanaged[Cdecl]<nint*, int*, void*, int> Test { get; }

    public delegate* unmanaged[Cdecl]<nint, int, int> Abort { get; }

    public delegate* unmanaged[Cdecl]<int> Complete { get; }

    /// <summary>The names to try, in order.</summary>
    /// <param name="openMpi">Open MPI's mpirun has started this process; otherwise it was MPICH's or a launcher that says nothing.</param>
    /// <param name="mac">Libraries are named as on macOS.</param>
    /// <param name="given">The value of <see cref="OverrideVariable"/>.</param>
    internal static string[] Names(bool openMpi, bool mac, string? given)
    {
        if (!string.IsNullOrEmpty(given)) return [given];
        string[] open = mac ? ["libmpi.40.dylib"] : ["libmpi.so.40"], mpich = mac ? ["libmpi.12.dylib", "libmpich.12.dylib"] : ["libmpi.so.12", "libmpich.so.12"];
        return [.. openMpi ? open : mpich, .. openMpi ? mpich : open, mac ? "libmpi.dylib" : "libmpi.so"];
    }

    /// <summary>Loads the library of the launcher.</summary>
    /// <param name="openMpi">Open MPI's mpirun has started this process.</param>
    /// <exception cref="OllmException">There is none, or it is too old.</exception>
    public static MpiLibrary Load(bool openMpi)
    {
        string[] names = Names(openMpi, OperatingSystem.IsMacOS(), Environment.GetEnvironmentVariable(OverrideVariable));
        foreach (string name in names)
        {
            if (!NativeLibrary.TryLoad(name, out nint library)) continue;
            try
            {
                return new MpiLibrary(library, name);
            }
            catch (EntryPointNotFoundException error)
            {
                throw new OllmException($"{name}: {error.Message}; expected Open MPI 4 or 5, or MPICH 3 or later", error);
            }
        }
        throw new OllmException($"started by mpirun, but no MPI library was found (tried {string.Join(", ", names)}); install Open MPI or MPICH, name the file in {OverrideVariable}, or start without mpirun");
    }

    private nint Handle(string openMpi, nint mpich) => IsOpenMpi ? NativeLibrary.GetExport(_library, openMpi) : mpich;

    private nint Function(string name) => NativeLibrary.GetExport(_library, name);
}
