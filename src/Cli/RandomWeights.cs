using System.Runtime.InteropServices;
using OllmNative.Model;

namespace OllmNative.Cli;

/// <summary>
/// Normal random numbers of standard deviation 0.02 as F32, F16 or BF16, fast: every 16 random bits pick one of 65,536
/// numbers that were drawn once, and their negatives balance them, so that the mean is zero. A function of seed and tensor.
/// </summary>
internal sealed class RandomWeights
{
    private const int TableSize = 1 << 16, BlockBytes = 1 << 20, Blocks = 32;
    private const float Deviation = 0.02f;

    private readonly ulong _seed;
    private readonly DType _type;
    private readonly int _size;
    private readonly byte[] _table;
    private readonly byte[] _buffer = new byte[BlockBytes * Blocks];

    /// <summary>Draws the table.</summary>
    /// <param name="seed">Names the weights.</param>
    /// <param name="type">F32, F16 or BF16.</param>
    public RandomWeights(ulong seed, DType type)
    {
        (_seed, _type, _size) = (seed, type, type.Size());
        _table = new byte[TableSize * _size];
        ulong key = Counter.Key(seed, ulong.MaxValue);
        for (int i = 0; i < TableSize / 2; i++)
        {
            // Box and Muller 1958.
            float radius = MathF.Sqrt(-2 * MathF.Log(Counter.Uniform(key, 2 * (ulong)i)));
            float normal = Deviation * radius * MathF.Cos(2 * MathF.PI * Counter.Uniform(key, 2 * (ulong)i + 1));
            Store(_table.AsSpan(i * _size), normal);
            Store(_table.AsSpan((i + TableSize / 2) * _size), -normal);
        }
    }

    /// <summary>Writes the elements of one tensor.</summary>
    /// <param name="stream">Where they go.</param>
    /// <param name="tensor">Number of the tensor: each one has its own values.</param>
    /// <param name="elements">How many.</param>
    /// <param name="cancellation">Stops between blocks.</param>
    public void Write(Stream stream, int tensor, long elements, CancellationToken cancellation)
    {
        ulong key = Counter.Key(_seed, (ulong)tensor);
        long bytes = elements * _size;
        for (long begin = 0; begin < bytes; begin += _buffer.Length)
        {
            cancellation.ThrowIfCancellationRequested();
            int length = (int)Math.Min(_buffer.Length, bytes - begin);
            Parallel.For(0, (length + BlockBytes - 1) / BlockBytes, block =>
                Fill(block * BlockBytes, Math.Min(BlockBytes, length - block * BlockBytes), key + (ulong)((begin / BlockBytes) + block) * BlockBytes));
            stream.Write(_buffer, 0, length);
        }
    }

    /// <summary>Writes ones: the gains of the norms.</summary>
    public void WriteOnes(Stream stream, long elements)
    {
        var ones = new byte[elements * _size];
        for (int i = 0; i < elements; i++) Store(ones.AsSpan(i * _size), 1);
        stream.Write(ones);
    }

    private void Fill(int offset, int length, ulong counter)
    {
        Span<byte> target = _buffer.AsSpan(offset, length);
        if (_size == 2) Pick(MemoryMarshal.Cast<byte, ushort>(_table), MemoryMarshal.Cast<byte, ushort>(target), counter);
        else Pick(MemoryMarshal.Cast<byte, float>(_table), MemoryMarshal.Cast<byte, float>(target), counter);
    }

    private static void Pick<T>(ReadOnlySpan<T> table, Span<T> target, ulong counter) where T : unmanaged
    {
        for (int i = 0; i < target.Length; i += 4)
        {
            ulong bits = Counter.Mix(counter++);
            for (int j = i; j < Math.Min(i + 4, target.Length); j++, bits >>= 16) target[j] = table[(int)(bits & (TableSize - 1))];
        }
    }

    private void Store(Span<byte> target, float value)
    {
        if (_type == DType.F32) MemoryMarshal.Write(target, value);
        else if (_type == DType.F16) MemoryMarshal.Write(target, (Half)value);
        else MemoryMarshal.Write(target, RoundToBF16(value));
    }

    // The upper half of the float, rounded to nearest even; the numbers here are finite.
    private static ushort RoundToBF16(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        return (ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
    }
}
