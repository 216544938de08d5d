using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using OllmNative.Runtime.Language;

namespace OllmNative.Runtime.Emulator;

/// <summary>What threads of a group or warp do together; all must do the same.</summary>
internal enum Collective
{
    None,
    Barrier,
    Vote,
    Broadcast,
    WarpBarrier,
    Shuffle,
    Ballot,
    MatrixLoad,
    MatrixProduct,
    TransactionBarrier,
}

/// <summary>One thread of a kernel: who it is, and what it exchanges with the others.</summary>
internal sealed class EmulatedThread
{
    /// <summary>Bytes of a value that threads can exchange.</summary>
    private const int SlotBytes = 64;

    [ThreadStatic] private static EmulatedThread? t_current;

    // Two slots a scope, used in turn: a thread can be one exchange ahead of another that has yet to read, never two.
    private readonly byte[] _slots = new byte[4 * SlotBytes];
    private int _groupTurn;
    private int _warpTurn;
    private int _sharedAllocations;

    public EmulatedThread(EmulatedGroup group, int linearIndex)
    {
        Group = group;
        LinearIndex = linearIndex;
        Products = new EmulatedProducts(this);
    }

    public EmulatedGroup Group { get; }
    public int LinearIndex { get; }
    public Index3D Index { get; private set; }

    /// <summary>What it waits for; None when it runs or can run.</summary>
    public Collective WaitsFor { get; set; }
    public bool IsFinished { get; set; }

    /// <summary>The operating system's thread that it runs on.</summary>
    public Fiber? Fiber { get; set; }
    public AsyncCopies AsyncCopies { get; } = new();
    public EmulatedProducts Products { get; }
    public LocalArena Locals { get; } = new();

    /// <summary>The thread that is running on the caller. Throws outside of a kernel.</summary>
    public static EmulatedThread Current => t_current ?? throw new InvalidOperationException("this is only meaningful inside of a kernel");

    /// <summary>Bit i is set where the warp has a lane i.</summary>
    public uint LaneMask => Group.LanesOfWarp(LinearIndex >> 5) is var lanes && lanes == 32 ? uint.MaxValue : (1u << lanes) - 1;

    public string Description => $"group {Group.GridIndex}, thread {Index}";

    /// <summary>An error of the running kernel, with kernel, group and thread; a plain one outside of kernels.</summary>
    public static KernelException Error(string message) => t_current is { } thread
        ? new KernelException($"kernel {thread.Group.KernelName}, {thread.Description}: {message}")
        : new KernelException(message);

    /// <summary>Prepares for the next group.</summary>
    public void Reset(Index3D groupDim)
    {
        Index = new(LinearIndex % groupDim.X, LinearIndex / groupDim.X % groupDim.Y, LinearIndex / groupDim.X / groupDim.Y);
        WaitsFor = Collective.None;
        IsFinished = false;
        _groupTurn = _warpTurn = _sharedAllocations = 0;
        Locals.Reset();
        Products.Reset();
    }

    /// <summary>Makes this the calling thread's emulated thread.</summary>
    public static void Enter(EmulatedThread? thread) => t_current = thread;

    public void GroupCollective(Collective kind) => Group.ArriveAtGroup(this, kind);

    public void WarpCollective(Collective kind) => Group.ArriveAtWarp(this, kind);

    public int GroupVote(bool predicate)
    {
        int turn = _groupTurn ^= 1;
        Group.Vote(turn, predicate);
        GroupCollective(Collective.Vote);
        return Group.Votes(turn);
    }

    public T GroupBroadcast<T>(T value, int groupIndex) where T : unmanaged
    {
        if ((uint)groupIndex >= (uint)Group.ThreadCount) throw Error($"a broadcast from thread {groupIndex} of a group of {Group.ThreadCount}");
        int turn = _groupTurn ^= 1;
        Slot<T>(turn) = value;
        GroupCollective(Collective.Broadcast);
        return Group.Thread(groupIndex).Slot<T>(turn);
    }

    /// <summary>The value of a lane; a lane that does not exist answers with the caller's.</summary>
    public T Shuffle<T>(T value, int sourceLane) where T : unmanaged
    {
        int turn = Exchange(value, Collective.Shuffle);
        return Lane(sourceLane, this).Slot<T>(2 + turn);
    }

    public uint WarpBallot(bool predicate)
    {
        int turn = Exchange(predicate, Collective.Ballot);
        uint votes = 0;
        for (int lane = 0; lane < Group.LanesOfWarp(LinearIndex >> 5); lane++)
            if (Lane(lane, this).Slot<bool>(2 + turn)) votes |= 1u << lane;
        return votes;
    }

    /// <summary>Gives every lane's value to every lane; read the answers with <see cref="FromLane"/> and the turn.</summary>
    public int Exchange<T>(T value, Collective kind) where T : unmanaged
    {
        int turn = _warpTurn ^= 1;
        Slot<T>(2 + turn) = value;
        WarpCollective(kind);
        return turn;
    }

    public ref T FromLane<T>(int lane, int turn) where T : unmanaged => ref Lane(lane, this).Slot<T>(2 + turn);

    public ArrayView<T> AllocateShared<T>(int extent) where T : unmanaged => Group.Shared.Allocate<T>(_sharedAllocations++, extent);

    public ArrayView<T> DynamicShared<T>() where T : unmanaged => Group.Shared.Dynamic<T>();

    public ArrayView<T> AllocateLocal<T>(int extent) where T : unmanaged =>
        new(Locals.Allocate((long)extent * Unsafe.SizeOf<T>()), extent, Group.LocalBuffer);

    /// <summary>Tells the race check that a cell was changed by an atomic operation, which races with none of its kind.</summary>
    public static unsafe void AtomicDone<T>(ref T target) where T : unmanaged
    {
        if (t_current?.Group.Shared.Races is { } races) races.Forgive((nint)Unsafe.AsPointer(ref target), sizeof(T));
    }

    private EmulatedThread Lane(int lane, EmulatedThread otherwise)
    {
        int index = (LinearIndex & ~31) + lane;
        return (uint)lane < 32 && index < Group.ThreadCount ? Group.Thread(index) : otherwise;
    }

    private ref T Slot<T>(int slot) where T : unmanaged
    {
        if (Unsafe.SizeOf<T>() > SlotBytes) ThrowTooLarge<T>();
        return ref Unsafe.As<byte, T>(ref _slots[slot * SlotBytes]);
    }

    [DoesNotReturn]
    private static void ThrowTooLarge<T>() => throw Error($"{typeof(T).Name} is too large to exchange: {Unsafe.SizeOf<T>()} bytes of {SlotBytes}");
}
