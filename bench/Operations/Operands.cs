using OllmNative.Model;
using OllmNative.Model.Cpu;

namespace OllmNative.Bench;

/// <summary>A device with random operands: floats in buffers, weights as bf16 in a mapped file, as a model has them.</summary>
internal sealed class Operands(int threads = 0) : IDisposable
{
    private readonly List<IDisposable> _owned = [];
    private readonly List<string> _files = [];
    private readonly Random _random = new(1);

    public CpuDevice Device { get; } = new(threads);

    /// <summary>A number from a normal distribution.</summary>
    public float Normal() =>
        (float)(Math.Sqrt(-2 * Math.Log(1 - _random.NextDouble())) * Math.Cos(2 * Math.PI * _random.NextDouble()));

    public int Below(int bound) => _random.Next(bound);

    public DeviceView<float> Floats(long count, float scale = 1)
    {
        var values = new float[count];
        for (int i = 0; i < values.Length; i++) values[i] = scale * Normal();
        return Upload(values);
    }

    public DeviceView<T> Upload<T>(params T[] values) where T : unmanaged
    {
        DeviceBuffer<T> buffer = Device.Allocate<T>(values.Length);
        _owned.Add(buffer);
        buffer.Upload(0, values);
        return buffer.View;
    }

    /// <summary>A weight matrix [rows, columns] of standard deviation 0.02 in bf16, and its values where they are wanted.</summary>
    public DeviceMatrix Weights(int rows, int columns, out float[] values)
    {
        // A table is drawn once: a hundred million logarithms would take longer than what is measured.
        var table = new ushort[1 << 16];
        for (int i = 0; i < table.Length; i++) table[i] = (ushort)(BitConverter.SingleToUInt32Bits(0.02f * Normal()) >> 16);
        var bits = new ushort[(long)rows * columns];
        var floats = new float[bits.Length];
        for (int i = 0; i < bits.Length; i++)
        {
            bits[i] = table[(int)(Counter.Mix((ulong)i) >> 48)];
            floats[i] = BitConverter.UInt32BitsToSingle((uint)bits[i] << 16);
        }
        values = floats;
        string file = Path.Combine(Path.GetTempPath(), $"ollm-operands-{Guid.NewGuid():N}.safetensors");
        _files.Add(file);
        SafetensorsWriter.Write(file, [new TensorToWrite("w", DType.BF16, [rows, columns], stream => stream.Write(System.Runtime.InteropServices.MemoryMarshal.AsBytes<ushort>(bits)))]);
        Checkpoint checkpoint = Checkpoint.Open(file);
        _owned.Add(checkpoint);
        return Device.Matrix(checkpoint.Get("w"));
    }

    public void Dispose()
    {
        foreach (IDisposable item in _owned) item.Dispose();
        Device.Dispose();
        foreach (string file in _files) File.Delete(file);
    }
}
