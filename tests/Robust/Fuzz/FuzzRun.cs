using System.Diagnostics;
using System.Globalization;
using System.Text;
using OllmNative.Model;

namespace OllmNative.Tests;

/// <summary>
/// Feeds mutated inputs to a reader for a while. It may accept or refuse each one, the latter with an
/// <see cref="OllmException"/> alone; it may not take long, allocate much, or crash. OLLM_FUZZ_SECONDS is the time of all
/// readers together (20 s by default), OLLM_FUZZ_SEED another stream of inputs.
/// </summary>
internal static class FuzzRun
{
    /// <summary>Readers that share the time.</summary>
    public const int Readers = 19;

    private const double SlowSeconds = 20;

    /// <summary>The time of one reader.</summary>
    public static double Seconds => double.Parse(Environment.GetEnvironmentVariable("OLLM_FUZZ_SECONDS") ?? "20", CultureInfo.InvariantCulture) / Readers;

    /// <summary>Names the stream of inputs.</summary>
    public static int Seed => int.Parse(Environment.GetEnvironmentVariable("OLLM_FUZZ_SEED") ?? "1", CultureInfo.InvariantCulture);

    /// <summary>Bytes that a reader may allocate for an input: a fixed amount, and a multiple of its size.</summary>
    private static long AllocationLimit(byte[] input) => (256L << 20) + 200L * input.Length;

    /// <summary>Runs one reader.</summary>
    /// <param name="name">Names it in failures.</param>
    /// <param name="corpus">Good inputs.</param>
    /// <param name="read">The reader.</param>
    /// <param name="refuses">Whether there is anything that it refuses.</param>
    public static void Of(string name, IReadOnlyList<byte[]> corpus, Action<byte[]> read, bool refuses = true)
    {
        double seconds = Seconds;
        var mutator = new Mutator(new Random(Seed + name.Length));
        foreach (byte[] good in corpus) read(good); // What is good must be accepted, or the rest would prove nothing.
        long start = Stopwatch.GetTimestamp(), inputs = 0, refused = 0;
        for (; Stopwatch.GetElapsedTime(start).TotalSeconds < seconds; inputs++)
        {
            byte[] input = mutator.Next(corpus);
            if (!Accepts(name, input, read)) refused++;
        }
        Assert.True(refused > 0 == refuses, $"{name}: of {inputs} mutated inputs {refused} were refused");
    }

    private static bool Accepts(string name, byte[] input, Action<byte[]> read)
    {
        long before = GC.GetAllocatedBytesForCurrentThread(), begin = Stopwatch.GetTimestamp();
        bool accepted = true;
        try
        {
            read(input);
        }
        catch (OllmException refusal)
        {
            accepted = false;
            if (refusal.Message.Length > 6000) Fail(name, input, $"the message has {refusal.Message.Length} characters");
        }
#pragma warning disable CA1031 // Whatever else is thrown is what the run looks for.
        catch (Exception error)
#pragma warning restore CA1031
        {
            Fail(name, input, error.ToString());
        }
        double seconds = Stopwatch.GetElapsedTime(begin).TotalSeconds;
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        if (seconds > SlowSeconds) Fail(name, input, $"it took {seconds:F1} s");
        if (allocated > AllocationLimit(input)) Fail(name, input, $"it allocated {allocated:N0} bytes for {input.Length:N0}");
        return accepted;
    }

    /// <summary>Keeps the input, so that the failure can be looked at.</summary>
    private static void Fail(string name, byte[] input, string what)
    {
        string file = Path.Combine(Path.GetTempPath(), $"ollm-fuzz-{name}-{Guid.NewGuid():N}");
        File.WriteAllBytes(file, input);
        Assert.Fail($"{name}: {what}\ninput of {input.Length} bytes kept as {file}: {Encoding.UTF8.GetString(input.AsSpan(0, Math.Min(300, input.Length)))}");
    }
}
