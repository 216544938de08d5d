using System.Diagnostics;
using OllmNative.Runtime.Cuda;
using OllmNative.Runtime.Language;

namespace OllmNative.Runtime.Extensions;

/// <summary>One launch as it was timed.</summary>
/// <param name="Kernel">Its name, with the type.</param>
/// <param name="Device">Where it ran.</param>
/// <param name="Groups">Groups of the grid.</param>
/// <param name="Threads">Threads of a group.</param>
/// <param name="StartMicroseconds">When it started, from the start of the profile.</param>
/// <param name="Microseconds">How long it took: on a GPU by events around it, in the emulator by the clock.</param>
public readonly record struct LaunchTiming(string Kernel, string Device, long Groups, int Threads, double StartMicroseconds, double Microseconds);

/// <summary>
/// Times every launch in the process while it is active. On a GPU each launch then has an event before and one after it; without an active
/// profiler a launch pays a single read of a field.
/// </summary>
public sealed class LaunchProfiler : IDisposable
{
    // Events that wait to be read; more would only cost the driver memory.
    private const int MaxPending = 2048;

    private static LaunchProfiler? _active;

    private readonly List<LaunchTiming> _timings = [];
    private readonly List<Pending> _pending = [];
    private readonly Dictionary<AcceleratorStream, (ProfilingMarker Marker, double At)> _origins = [];
    private readonly long _start = Stopwatch.GetTimestamp();

    /// <summary>The profiler that is running, or null.</summary>
    public static LaunchProfiler? Active => Volatile.Read(ref _active);

    /// <summary>Starts to time launches.</summary>
    /// <exception cref="InvalidOperationException">Another one is active.</exception>
    public static LaunchProfiler Start()
    {
        var profiler = new LaunchProfiler();
        if (Interlocked.CompareExchange(ref _active, profiler, null) is not null)
        {
            profiler.Dispose();
            throw new InvalidOperationException("a profile is being taken already");
        }
        return profiler;
    }

    /// <summary>What was timed so far, in the order of the launches. Waits for those under way.</summary>
    public IReadOnlyList<LaunchTiming> Read()
    {
        lock (_pending)
        {
            Settle();
            return [.. _timings];
        }
    }

    /// <summary>Reads what belongs to an accelerator that is about to close.</summary>
    internal static void Closing(Accelerator accelerator)
    {
        if (Active is not { } profiler) return;
        lock (profiler._pending)
        {
            profiler.Settle();
            foreach (AcceleratorStream stream in profiler._origins.Keys.Where(stream => stream.Accelerator == accelerator).ToArray())
            {
                profiler._origins[stream].Marker.Dispose();
                profiler._origins.Remove(stream);
            }
        }
    }

    /// <summary>A launch that the host has timed.</summary>
    internal void Add(string kernel, Accelerator accelerator, in KernelConfig config, long started)
    {
        // Another thread's, under way when the profile began.
        if (started < _start) return;
        var timing = new LaunchTiming(kernel, accelerator.Name, config.GridDim.LongSize, (int)config.GroupDim.LongSize,
            Stopwatch.GetElapsedTime(_start, started).TotalMicroseconds, Stopwatch.GetElapsedTime(started).TotalMicroseconds);
        lock (_pending) _timings.Add(timing);
    }

    /// <summary>A launch between two markers of its stream.</summary>
    internal void Add(string kernel, AcceleratorStream stream, long groups, int threads, ProfilingMarker before, ProfilingMarker after)
    {
        lock (_pending)
        {
            _pending.Add(new Pending(kernel, stream, groups, threads, before, after));
            if (_pending.Count >= MaxPending) Settle();
        }
    }

    /// <summary>The marker from which the stream's launches are counted; made at its first one.</summary>
    internal void Origin(AcceleratorStream stream)
    {
        lock (_pending)
        {
            if (!_origins.ContainsKey(stream)) _origins[stream] = (stream.AddProfilingMarker(), Stopwatch.GetElapsedTime(_start).TotalMicroseconds);
        }
    }

    private void Settle()
    {
        foreach (Pending launch in _pending)
        {
            try
            {
                (ProfilingMarker origin, double at) = _origins[launch.Stream];
                _timings.Add(new LaunchTiming(launch.Kernel, launch.Stream.Accelerator.Name, launch.Groups, launch.Threads,
                    at + launch.Before.MeasureFrom(origin).TotalMicroseconds, launch.After.MeasureFrom(launch.Before).TotalMicroseconds));
            }
            catch (CudaException)
            {
                // A device that was lost has no times to tell; what lost it has been reported where it was seen.
            }
            launch.Before.Dispose();
            launch.After.Dispose();
        }
        _pending.Clear();
    }

    /// <summary>Ends the profile.</summary>
    public void Dispose()
    {
        Interlocked.CompareExchange(ref _active, null, this);
        lock (_pending)
        {
            foreach (Pending launch in _pending)
            {
                launch.Before.Dispose();
                launch.After.Dispose();
            }
            foreach ((ProfilingMarker marker, _) in _origins.Values) marker.Dispose();
            _pending.Clear();
            _origins.Clear();
        }
    }

    private readonly record struct Pending(string Kernel, AcceleratorStream Stream, long Groups, int Threads, ProfilingMarker Before, ProfilingMarker After);
}
