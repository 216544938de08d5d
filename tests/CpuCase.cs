using OllmNative.Model;
using OllmNative.Model.Cpu;

namespace OllmNative.Tests;

/// <summary>A CPU device with random operands of a seed: tests compare its operations with plain loops in double precision.</summary>
internal sealed unsafe class CpuCase(int seed, int threads = 2) : IDisposable
{
    public static readonly DType[] WeightTypes = [DType.F32, DType.F16, DType.BF16];

    private readonly Random _random = new(seed);

    public CpuDevice Device { get; } = new(threads);

    public int Between(int least, int most) => _random.Next(least, most + 1);

    public float Number(double scale = 1) => (float)((2 * _random.NextDouble() - 1) * scale);

    public float[] Numbers(int count, double scale = 1) => [.. Enumerable.Range(0, count).Select(_ => Number(scale))];

    public CpuTensor Random(int count, double scale = 1) => Of(Numbers(count, scale));

    public CpuTensor Of(params float[] values) => new(Device, values);

    public DeviceView<T> Upload<T>(params T[] values) where T : unmanaged
    {
        DeviceBuffer<T> buffer = Device.Allocate<T>(values.Length);
        buffer.Upload(0, values);
        return buffer.View;
    }

    /// <summary>A random weight matrix [rows, columns], and its values as the stored type rounds them.</summary>
    public (DeviceMatrix Matrix, float[] Values) Weight(DType type, int rows, int columns, double scale = 1)
    {
        float[] values = Numbers(rows * columns, scale);
        var bytes = (CpuBuffer<byte>)Device.Allocate<byte>((long)values.Length * type.Size());
        for (int i = 0; i < values.Length; i++)
        {
            if (type == DType.F32) ((float*)bytes.Pointer)[i] = values[i];
            else if (type == DType.F16) values[i] = (float)(((Half*)bytes.Pointer)[i] = (Half)values[i]);
            else values[i] = BitConverter.UInt32BitsToSingle((uint)(((ushort*)bytes.Pointer)[i] = (ushort)(BitConverter.SingleToUInt32Bits(values[i]) >> 16)) << 16);
        }
        return (new CpuMatrix(bytes, bytes.Pointer, type, rows, columns), values);
    }

    /// <summary>The same operation with one, two and three threads: every result has the same bits.</summary>
    public static void SameForAllThreads(int seed, Func<CpuCase, float[][]> run)
    {
        float[][][] results = [.. new[] { 1, 2, 3 }.Select(count =>
        {
            using var c = new CpuCase(seed, count);
            return run(c);
        })];
        for (int i = 0; i < results[0].Length; i++)
        {
            Assert.Equal(results[0][i], results[1][i]);
            Assert.Equal(results[0][i], results[2][i]);
        }
    }

    public void Dispose() => Device.Dispose();
}

/// <summary>Floats on the device at an odd address between guard values, which no operation may touch.</summary>
internal sealed class CpuTensor
{
    private const int Margin = 37;
    private const float Guard = -7777.25f;

    private readonly DeviceBuffer<float> _buffer;

    public CpuTensor(CpuDevice device, float[] values)
    {
        Before = values;
        _buffer = device.Allocate<float>(values.Length + 2 * Margin);
        float[] guarded = new float[_buffer.Length];
        Array.Fill(guarded, Guard);
        values.CopyTo(guarded, Margin);
        _buffer.Upload(0, guarded);
        View = _buffer.View.Slice(Margin, values.Length);
    }

    /// <summary>The values as uploaded.</summary>
    public float[] Before { get; }

    public DeviceView<float> View { get; }

    /// <summary>The values now; fails when a guard has changed.</summary>
    public float[] Now()
    {
        float[] all = _buffer.View.ToArray();
        for (int i = 0; i < Margin; i++)
            Assert.True(all[i] == Guard && all[^(i + 1)] == Guard, $"an operation wrote outside its result of {Before.Length} floats");
        return all[Margin..^Margin];
    }

    /// <summary>Every value within <paramref name="tolerance"/> of the expected one, relative to the largest of them and 1.</summary>
    public void Near(Func<int, double> expected, double tolerance, string what)
    {
        float[] now = Now();
        double[] wanted = [.. Enumerable.Range(0, now.Length).Select(expected)];
        double allowed = tolerance * wanted.Select(Math.Abs).Append(1).Max();
        for (int i = 0; i < now.Length; i++)
            Assert.True(Math.Abs(now[i] - wanted[i]) <= allowed, $"{what}: element {i} is {now[i]:R}, expected {wanted[i]:R} within {allowed:E1}");
    }
}
