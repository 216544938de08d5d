using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;

namespace OllmNative.Model.Cpu;

/// <summary>Work on several threads at once that is larger than an operation.</summary>
public sealed partial class CpuDevice
{
    private readonly Lock _togetherUse = new();
    private CpuDevice[]? _lanes;
    private Action<int>? _together;
    private Exception? _failure;

    /// <inheritdoc/>
    public override IReadOnlyList<ComputeDevice> Lanes
    {
        get
        {
            using Lock.Scope alone = _togetherUse.EnterScope();
            return _lanes ??= Threads == 1 ? [] : [.. Enumerable.Range(0, Threads).Select(_ => new CpuDevice(1))];
        }
    }

    /// <inheritdoc/>
    public override void Together(int count, Action<int> work)
    {
        ArgumentNullException.ThrowIfNull(work);
        using Lock.Scope alone = _togetherUse.EnterScope();
        (_together, _failure) = (work, null);
        GCHandle self = GCHandle.Alloc(this);
        try
        {
            _pool.For(count, new TogetherBody { Device = GCHandle.ToIntPtr(self) });
        }
        finally
        {
            self.Free();
            _together = null;
        }
        if (_failure is { } failure) ExceptionDispatchInfo.Throw(failure);
    }

    /// <summary>The loop wants plain memory; the device holds the delegate for it.</summary>
    private struct TogetherBody : IParallelBody
    {
        public nint Device;

        public readonly void Run(int index, int thread)
        {
            var device = (CpuDevice)GCHandle.FromIntPtr(Device).Target!;
            try
            {
                device._together!(index);
            }
#pragma warning disable CA1031 // An exception on another thread is the caller's to see, and the loop has to end first.
            catch (Exception error)
#pragma warning restore CA1031
            {
                Interlocked.CompareExchange(ref device._failure, error, null);
            }
        }
    }
}
