using OllmNative.Runtime.Extensions;
using OllmNative.Runtime.Language;

namespace OllmNative.Runtime.Emulator;

/// <summary>A thread's share of its warp group's matrix products. They are computed at the wait.</summary>
internal sealed unsafe class EmulatedProducts(EmulatedThread thread)
{
    // A descriptor of PTX: address / 16 in bits 0 to 13, from panel to panel / 16 in bits 16 to 29 (1 where there is only one), stride of
    // eight rows / 16 in bits 32 to 45, 1 in bits 62 and 63: a swizzle of 128 bytes.
    private const long Form = 1L << 62 | 64L << 32, OnePanel = 1;

    private readonly Queue<List<Product>> _groups = new();
    private List<Product> _open = [];

    /// <summary>Rows: a thread's two rows of A, 16 elements each, where A is in registers and B is described by its rows.</summary>
    private readonly record struct Product(float[] Sums, long A, float[]? Rows, long B, bool Accumulate);

    public static long Describe(ArrayView<Bf16> shared, int index) => Form | OnePanel << 16 | Offset(shared, index, 16) >> 4;

    public static long DescribeRows(ArrayView<Bf16> shared, int index, int panel)
    {
        if (panel % 512 != 0 || panel <= 0) throw EmulatedThread.Error($"panels of {panel} elements; multiples of 512");
        long offset = Offset(shared, index, 1024);
        return Form | (long)(panel >> 3) << 16 | offset >> 4;
    }

    private static long Offset(ArrayView<Bf16> shared, int index, int alignment)
    {
        if (shared.Source is not SharedArena arena) throw EmulatedThread.Error("a matrix descriptor is not of shared memory");
        long offset = shared.SubView(index, 16).Address - arena.NativePtr;
        return offset % alignment == 0 ? offset : throw EmulatedThread.Error($"a matrix at element {index} is not on a multiple of {alignment} bytes");
    }

    public void Start(float[] sums, long a, long b, bool accumulate, bool aRows, bool bRows)
    {
        if (IsRows(a) != aRows || IsRows(b) != bRows) throw EmulatedThread.Error("the operands are not described as the product takes them");
        Add(new Product(sums, a, null, b, accumulate));
    }

    private static bool IsRows(long descriptor) => (descriptor >> 16 & 0x3fff) != OnePanel;

    /// <summary>A row's 16 elements are in the registers of four lanes.</summary>
    public void Start(float[] sums, FragmentA a, long b, bool accumulate)
    {
        if (!IsRows(b)) throw EmulatedThread.Error("with A in registers B is described by DescribeRows");
        int turn = thread.Exchange(a, Collective.MatrixProduct), first = thread.LinearIndex & 28;
        var rows = new float[32];
        for (int t = 0; t < 4; t++)
        {
            FragmentA part = thread.FromLane<FragmentA>(first + t, turn);
            Unpack(part.R0, rows, 2 * t);
            Unpack(part.R1, rows, 16 + 2 * t);
            Unpack(part.R2, rows, 8 + 2 * t);
            Unpack(part.R3, rows, 24 + 2 * t);
        }
        Add(new Product(sums, 0, rows, b, accumulate));
    }

    private static void Unpack(uint pair, float[] row, int at)
    {
        row[at] = Vector16.LowBf16(pair);
        row[at + 1] = Vector16.HighBf16(pair);
    }

    private void Add(Product product)
    {
        int sums = product.Sums.Length;
        if (sums is < 4 or > 128 || sums % 4 != 0) throw EmulatedThread.Error($"{sums} sums a thread; 4 to 128 in steps of 4");
        _open.Add(product);
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
        Span<float> rows = stackalloc float[32], right = stackalloc float[16];
        for (int i = 0; i < rows.Length; i++) rows[i] = product.Rows is { } known ? known[i] : Operand(product.A, firstRow + i / 16 * 8, i % 16);
        for (int j = 0; j < product.Sums.Length / 2; j++)
        {
            int column = j / 2 * 8 + 2 * (lane % 4) + j % 2;
            for (int k = 0; k < right.Length; k++) right[k] = Operand(product.B, column, k);
            for (int half = 0; half < 2; half++)
            {
                float sum = 0;
                for (int k = 0; k < right.Length; k++) sum += rows[16 * half + k] * right[k];
                ref float target = ref product.Sums[j / 2 * 4 + 2 * half + j % 2];
                target = product.Accumulate ? target + sum : sum;
            }
        }
    }

    private float Operand(long descriptor, int row, int k) => IsRows(descriptor) ? RowElement(descriptor, k, row) : Element(descriptor, row, k);

    private float Element(long descriptor, int row, int k) => At((int)(descriptor & 0x3fff) * 16 + row / 8 * 1024 + row % 8 * 128 + 2 * k);

    private float RowElement(long descriptor, int k, int n) =>
        At((int)(descriptor & 0x3fff) * 16 + n / 64 * (int)(descriptor >> 16 & 0x3fff) * 16 + k * 128 + n % 64 * 2);

    private float At(int offset) => Bf16.ToFloat(Bf16.FromBits(*(ushort*)(thread.Group.Shared.NativePtr + EmulatedTensorCopy.Swizzle128(offset))));
}
