using OllmNative.Runtime.Extensions;
using OllmNative.Runtime.Language;

namespace OllmNative.Runtime.Emulator;

/// <summary>A thread's share of its warp group's matrix products. They are computed at the wait.</summary>
internal sealed unsafe class EmulatedProducts(EmulatedThread thread)
{
    // A descriptor of PTX: address / 16 in bits 0 to 13, stride of eight rows / 16 in bits 32 to 45, 1 in bits 62 and 63: a swizzle of 128 bytes.
    private const long Form = 1L << 62 | 64L << 32 | 1L << 16;

    private readonly Queue<List<Product>> _groups = new();
    private List<Product> _open = [];

    private readonly record struct Product(float[] Sums, long A, long B, bool Accumulate);

    public static long Describe(ArrayView<Bf16> shared, int index)
    {
        if (shared.Source is not SharedArena arena) throw EmulatedThread.Error("a matrix descriptor is not of shared memory");
        long offset = shared.SubView(index, 16).Address - arena.NativePtr;
        return offset % 16 == 0 ? Form | offset >> 4 : throw EmulatedThread.Error($"a matrix at element {index} is not on a multiple of 16 bytes");
    }

    public void Start(float[] sums, long a, long b, bool accumulate)
    {
        if (sums.Length is < 4 or > 128 || sums.Length % 4 != 0) throw EmulatedThread.Error($"{sums.Length} sums a thread; 4 to 128 in steps of 4");
        _open.Add(new Product(sums, a, b, accumulate));
    }

    /// <summary>Forgets what a group before has left.</summary>
    public void Reset()
    {
        _groups.Clear();
        _open.Clear();
    }

    public void Commit()
    {
        _groups.Enqueue(_open);
        _open = [];
    }

    public void Wait(int pending)
    {
        while (_groups.Count > pending)
            foreach (Product product in _groups.Dequeue()) Compute(product);
    }

    private void Compute(Product product)
    {
        int lane = thread.LinearIndex & 31, firstRow = (thread.LinearIndex >> 5 & 3) * 16 + lane / 4;
        for (int i = 0; i < product.Sums.Length; i++)
        {
            int row = firstRow + 8 * (i / 2 % 2), column = i / 4 * 8 + 2 * (lane % 4) + i % 2;
            float sum = 0;
            for (int k = 0; k < 16; k++) sum += Element(product.A, row, k) * Element(product.B, column, k);
            product.Sums[i] = product.Accumulate ? product.Sums[i] + sum : sum;
        }
    }

    private float Element(long descriptor, int row, int k)
    {
        int offset = (int)(descriptor & 0x3fff) * 16 + row / 8 * 1024 + row % 8 * 128 + 2 * k;
        return Bf16.ToFloat(Bf16.FromBits(*(ushort*)(thread.Group.Shared.NativePtr + EmulatedTensorCopy.Swizzle128(offset))));
    }
}
