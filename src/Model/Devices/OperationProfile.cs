using System.Diagnostics;

namespace OllmNative.Model;

/// <summary>One call of an operation.</summary>
/// <param name="Operation">Its name in <see cref="ComputeDevice"/>.</param>
/// <param name="StartMicroseconds">When it began, from the start of the profile.</param>
/// <param name="Microseconds">How long the caller was in it.</param>
public readonly record struct OperationTiming(string Operation, double StartMicroseconds, double Microseconds);

/// <summary>Times the operations of all devices that are opened while it is active.</summary>
public sealed class OperationProfile : IDisposable
{
    private static OperationProfile? s_active;

    private readonly List<OperationTiming> _timings = [];
    private readonly long _start = Stopwatch.GetTimestamp();

    private OperationProfile() { }

    /// <summary>The profile that is being taken, or null.</summary>
    public static OperationProfile? Active => Volatile.Read(ref s_active);

    /// <summary>Starts to time operations.</summary>
    /// <exception cref="InvalidOperationException">Another profile is being taken.</exception>
    public static OperationProfile Start()
    {
        var profile = new OperationProfile();
        return Interlocked.CompareExchange(ref s_active, profile, null) is null ? profile : throw new InvalidOperationException("a profile is being taken already");
    }

    /// <summary>What was timed so far.</summary>
    public IReadOnlyList<OperationTiming> Read()
    {
        lock (_timings) return [.. _timings];
    }

    internal void Add(string operation, long started)
    {
        var timing = new OperationTiming(operation, Stopwatch.GetElapsedTime(_start, started).TotalMicroseconds, Stopwatch.GetElapsedTime(started).TotalMicroseconds);
        lock (_timings) _timings.Add(timing);
    }

    /// <summary>Ends the profile.</summary>
    public void Dispose() => Interlocked.CompareExchange(ref s_active, null, this);
}
