using OllmNative.Runtime.Emulator;
using OllmNative.Runtime.Language;

namespace OllmNative.Tests;

/// <summary>An emulator that looks for races, and the small things that its tests share.</summary>
public sealed class EmulatorFixture : IDisposable
{
    private readonly Context _context = Context.Create(builder => builder.CPU().Assertions());

    public EmulatorFixture() => Accelerator = _context.CreateCPUAccelerator(0);

    public Accelerator Accelerator { get; }

    public MemoryBuffer1D<T, Stride1D.Dense> Buffer<T>(params T[] data) where T : unmanaged => Accelerator.Allocate1D(data);

    public MemoryBuffer1D<T, Stride1D.Dense> Zeros<T>(int length) where T : unmanaged => Accelerator.Allocate1D(new T[length]);

    public static float[] Random(int seed, int length, float scale = 1)
    {
        var random = new Random(seed);
        var values = new float[length];
        for (int i = 0; i < length; i++) values[i] = ((float)random.NextDouble() * 2 - 1) * scale;
        return values;
    }

    public static void AssertClose(ReadOnlySpan<double> expected, ReadOnlySpan<float> actual, double tolerance)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (int i = 0; i < expected.Length; i++)
            Assert.True(Math.Abs(expected[i] - actual[i]) <= tolerance * Math.Max(1, Math.Abs(expected[i])), $"element {i}: {actual[i]} instead of {expected[i]}");
    }

    public void Dispose()
    {
        Accelerator.Dispose();
        _context.Dispose();
    }
}
