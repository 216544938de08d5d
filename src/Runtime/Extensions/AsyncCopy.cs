using OllmNative.Runtime.Emulator;
using OllmNative.Runtime.Language;

namespace OllmNative.Runtime.Extensions;

/// <summary>
/// Copies of 16 bytes from global to shared memory that bypass registers (PTX cp.async.cg.shared.global, sm_80).
/// A thread starts copies, closes them into a group with <see cref="Commit"/>, and waits for all but its latest groups with
/// <see cref="Wait"/>; other threads see the data after a barrier. The emulator copies when the wait requires it, not before,
/// so a missing wait shows.
/// </summary>
public static unsafe class AsyncCopy
{
    /// <summary>Starts the copy of 16 bytes; both addresses must be multiples of 16.</summary>
    public static void Copy16<T>(ArrayView<T> shared, int sharedIndex, ArrayView<T> global, int globalIndex) where T : unmanaged =>
        Copy16(shared, sharedIndex, global, globalIndex, true);

    /// <summary>Starts the copy, or fills with zeros and reads nothing where <paramref name="inside"/> is false.</summary>
    public static void Copy16<T>(ArrayView<T> shared, int sharedIndex, ArrayView<T> global, int globalIndex, bool inside) where T : unmanaged
    {
        nint target = Aligned(shared, sharedIndex);
        nint source = inside ? Aligned(global, globalIndex) : 0;
        EmulatedThread.Current.AsyncCopies.Start(shared.Source, target, source);
    }

    /// <summary>Closes the copies since the last commit into a group. PTX: cp.async.commit_group.</summary>
    public static void Commit() => EmulatedThread.Current.AsyncCopies.Commit();

    /// <summary>Waits until at most <paramref name="pending"/> groups (a constant) are unfinished. PTX: cp.async.wait_group.</summary>
    public static void Wait(int pending) => EmulatedThread.Current.AsyncCopies.Wait(pending);

    private static nint Aligned<T>(ArrayView<T> view, int index) where T : unmanaged
    {
        nint address = view.SubView(index, 16 / sizeof(T)).Address;
        if (address % 16 != 0) throw EmulatedThread.Error($"cp.async at element {index} of {typeof(T).Name} is not on a multiple of 16 bytes");
        return address;
    }
}
