using System.Globalization;
using OllmNative.Runtime.Cuda;
using OllmNative.Tests.Cuda;

namespace OllmNative.Tests.Driver;

/// <summary>The one driver of the process, and what the environment asks of it.</summary>
internal static unsafe partial class DriverExports
{
    // What there is of it is this machine's own memory, taken when it is asked for.
    private const long DefaultMemory = 141L << 30;

    private static readonly bool Explains = Environment.GetEnvironmentVariable("OLLM_INTERPRETED_LOG") == "1";
    private static readonly string? Counts = Environment.GetEnvironmentVariable("OLLM_INTERPRETED_COUNTS");

    private static readonly PtxDriver Driver = new()
    {
        Name = "Interpreted H200",
        MemoryBytes = long.TryParse(Environment.GetEnvironmentVariable("OLLM_INTERPRETED_MEMORY"), NumberStyles.None, CultureInfo.InvariantCulture, out long bytes) ? bytes : DefaultMemory,
        IgnoresLaunches = Environment.GetEnvironmentVariable("OLLM_INTERPRETED_IDLE") == "1",
        Explain = Explains ? Console.Error.WriteLine : null,
        Closed = Counts is null ? null : WriteCounts,
    };

    /// <summary>What an exception inside the interpreter is to the program outside of it.</summary>
    private static CuResult Failed(Exception error)
    {
        if (Explains) Console.Error.WriteLine($"interpreted driver: {error}");
        return error switch
        {
            OutOfMemoryException => CuResult.OutOfMemory,
            NullReferenceException or ArgumentException => CuResult.InvalidValue,
            _ => CuResult.Unknown,
        };
    }

    /// <summary>A line for each function that was called, the most frequent first.</summary>
    private static void WriteCounts(PtxDriver driver) =>
        File.WriteAllLines(Counts!, driver.Called.OrderByDescending(driver.Calls).Select(name => string.Create(CultureInfo.InvariantCulture, $"{driver.Calls(name)}\tcu{name}")));
}
