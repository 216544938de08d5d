using OllmNative.Runtime.Emulator;
using OllmNative.Runtime.Language;

namespace OllmNative.Runtime.Extensions;

/// <summary>
/// Barriers in shared memory (PTX mbarrier, sm_90): a phase ends when the expected number of arrivals and the expected bytes of tensor
/// copies have come; then the next begins. Phases are numbered by their parity: a fresh barrier is in phase 0, the next is 1, then 0 again.
/// </summary>
public static class TransactionBarrier
{
    /// <summary>Makes barrier <paramref name="index"/> one that waits for <paramref name="arrivals"/>. One thread does this, then <see cref="FenceInit"/>, then all meet.</summary>
    public static void Init(ArrayView<long> barriers, int index, int arrivals) => Of(barriers, index).Init(arrivals);

    /// <summary>Makes the barriers known to tensor copies. PTX: fence.proxy.async.</summary>
    public static void FenceInit() { }

    /// <summary>One arrival.</summary>
    public static void Arrive(ArrayView<long> barriers, int index) => Of(barriers, index).Arrive(0);

    /// <summary>One arrival, and so many bytes of tensor copies to come. PTX: mbarrier.arrive.expect_tx.</summary>
    public static void ArriveExpect(ArrayView<long> barriers, int index, int bytes) => Of(barriers, index).Arrive(bytes);

    /// <summary>Waits until the phase of this parity has ended. PTX: mbarrier.try_wait.parity in a loop.</summary>
    public static void Wait(ArrayView<long> barriers, int index, int parity) => Of(barriers, index).Wait(EmulatedThread.Current, parity);

    internal static EmulatedBarrier Of(ArrayView<long> barriers, int index)
    {
        EmulatedThread thread = EmulatedThread.Current;
        if (barriers.Source != thread.Group.Shared) throw EmulatedThread.Error("a transaction barrier is not in shared memory");
        return thread.Group.Barrier(barriers.SubView(index, 1).Address);
    }
}

/// <summary>Copies of boxes from a matrix to shared memory (PTX cp.async.bulk.tensor, TMA, sm_90), made by hardware while threads go on.</summary>
public static class TensorCopy
{
    /// <summary>
    /// Starts the copy of the box at column x, row y; outside of the matrix are zeros. Its <see cref="TensorMap.BoxBytes"/> count towards the
    /// barrier. The target must lie on a multiple of 128 bytes, of 1024 when swizzled. One thread calls it. The emulator copies when
    /// somebody waits, not before.
    /// </summary>
    public static void Load<T>(TensorMap map, ArrayView<T> shared, int sharedIndex, int x, int y, ArrayView<long> barriers, int barrier) where T : unmanaged =>
        TransactionBarrier.Of(barriers, barrier).Add(map, EmulatedTensorCopy.Target(map, shared, sharedIndex), x, y);
}

/// <summary>Overlap of a kernel with the one before it in the stream (programmatic dependent launch, sm_90); no effect in other launches.</summary>
public static class GridDependency
{
    /// <summary>Waits for the memory of the kernels before. PTX: griddepcontrol.wait.</summary>
    public static void Wait() { }

    /// <summary>Lets the next kernel start its work up to its wait. PTX: griddepcontrol.launch_dependents.</summary>
    public static void LaunchDependents() { }
}
