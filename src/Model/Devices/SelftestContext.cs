namespace OllmNative.Model;

/// <summary>
/// One self-test case on one device: random sizes and operands of a seed, so that another device gets the same ones, and the
/// results that are compared. Operands lie between guard values that no operation may touch.
/// </summary>
internal sealed unsafe class SelftestContext(ComputeDevice device, int seed) : IDisposable
{
    private const int Margin = 12;
    private const float Guard = -7777.25f;

    private readonly Random _random = new(seed);
    private readonly List<IDisposable> _owned = [];
    private readonly List<(DeviceBuffer<float> Buffer, DeviceView<float> View, bool Result)> _views = [];
    private readonly List<DeviceView<int>> _indices = [];

    public ComputeDevice Device { get; } = device;

    public int Between(int least, int most) => _random.Next(least, most + 1);

    public float Number(double scale) => (float)((2 * _random.NextDouble() - 1) * scale);

    /// <summary>Random floats of [-scale, scale].</summary>
    public DeviceView<float> Floats(long count, double scale = 1, bool result = false)
    {
        var values = new float[count];
        for (int i = 0; i < values.Length; i++) values[i] = Number(scale);
        return Upload(values, result);
    }

    /// <summary>Floats whose contents after the operation are compared; random before, so that what is added to shows.</summary>
    public DeviceView<float> Result(long count) => Floats(count, 1, result: true);

    /// <summary>Rows that are distributions.</summary>
    public DeviceView<float> Distributions(int rows, int columns)
    {
        var values = new float[rows * columns];
        for (int n = 0; n < rows; n++)
        {
            float sum = 0;
            for (int k = 0; k < columns; k++) sum += values[n * columns + k] = MathF.Exp(Number(3));
            for (int k = 0; k < columns; k++) values[n * columns + k] /= sum;
        }
        return Upload(values, false);
    }

    /// <summary>Zeroed keys or values in the device's type for heads of this size.</summary>
    public CacheView Cache(int headSize, long count)
    {
        (IDisposable memory, CacheView view) = CacheView.Allocate(Device, headSize, count);
        _owned.Add(memory);
        return view;
    }

    public DeviceView<int> Ints(int count, int bound) => Upload([.. Enumerable.Range(0, count).Select(_ => _random.Next(bound))]);

    public DeviceView<T> Upload<T>(T[] values) where T : unmanaged
    {
        DeviceBuffer<T> buffer = Own(Device.Allocate<T>(values.Length));
        buffer.Upload(0, values);
        return buffer.View;
    }

    /// <summary>Integers that are compared.</summary>
    public DeviceView<int> Indices(int count)
    {
        DeviceView<int> view = Upload(new int[count]);
        _indices.Add(view);
        return view;
    }

    /// <summary>A weight matrix as a model file has it.</summary>
    public DeviceMatrix Weights(DType type, int rows, int columns, double scale = 1)
    {
        byte[] bytes = GC.AllocateArray<byte>(rows * columns * type.Size(), pinned: true);
        byte* data = (byte*)System.Runtime.CompilerServices.Unsafe.AsPointer(ref bytes[0]);
        for (int i = 0; i < rows * columns; i++)
        {
            float value = Number(scale);
            if (type == DType.F32) ((float*)data)[i] = value;
            else if (type == DType.F16) ((Half*)data)[i] = (Half)value;
            else ((ushort*)data)[i] = (ushort)(BitConverter.SingleToUInt32Bits(value) >> 16);
        }
        var entry = new TensorEntry("weights", type, [rows, columns], (long)rows * columns, 0, bytes.Length);
        _owned.Add(new Keep(bytes));
        return Device.Matrix(new MappedTensor(entry, data, "selftest"));
    }

    /// <summary>A matrix of a parameter buffer, and the buffer's part.</summary>
    public (DeviceMatrix Matrix, DeviceView<float> Values) Parameters(int rows, int columns, bool result)
    {
        DeviceView<float> view = Floats((long)rows * columns, 1, result);
        return (Device.Matrix(view, rows, columns), view);
    }

    /// <summary>The results: floats, then integers. Throws when a guard has changed.</summary>
    public (float[][] Floats, int[][] Indices) Results()
    {
        foreach ((DeviceBuffer<float> buffer, DeviceView<float> view, _) in _views)
        {
            float[] all = buffer.View.ToArray();
            for (int i = 0; i < Margin; i++)
            {
                if (all[i] != Guard || all[^(i + 1)] != Guard) throw new InvalidOperationException($"wrote outside of an operand of {view.Length} floats");
            }
        }
        return ([.. _views.Where(v => v.Result).Select(v => v.View.ToArray())], [.. _indices.Select(v => v.ToArray())]);
    }

    public void Dispose()
    {
        foreach (IDisposable owned in _owned) owned.Dispose();
    }

    private DeviceView<float> Upload(float[] values, bool result)
    {
        DeviceBuffer<float> buffer = Own(Device.Allocate<float>(values.Length + 2 * Margin));
        var guarded = new float[buffer.Length];
        Array.Fill(guarded, Guard);
        values.CopyTo(guarded, Margin);
        buffer.Upload(0, guarded);
        DeviceView<float> view = buffer.View.Slice(Margin, values.Length);
        _views.Add((buffer, view, result));
        return view;
    }

    private T Own<T>(T item) where T : IDisposable
    {
        _owned.Add(item);
        return item;
    }

    /// <summary>Keeps the bytes of a mapped tensor alive as long as the case.</summary>
    private sealed class Keep(byte[] bytes) : IDisposable
    {
        public void Dispose() => GC.KeepAlive(bytes);
    }
}
