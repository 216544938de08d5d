using OllmNative.Runtime.Extensions;
using OllmNative.Runtime.Language;

namespace OllmNative.Runtime.Emulator;

/// <summary>The tensor core's operations, element by element, with the fragment layout that TensorCore documents.</summary>
internal static unsafe class WarpMatrix
{
    private readonly record struct Inputs(FragmentA A, FragmentB B);

    private struct Row
    {
        public fixed ushort Values[8];
    }

    public static FragmentC MultiplyAdd(FragmentA a, FragmentB b, FragmentC c, bool bf16)
    {
        EmulatedThread thread = FullWarp();
        int turn = thread.Exchange(new Inputs(a, b), Collective.MatrixProduct);
        int row = (thread.LinearIndex & 31) / 4, column = (thread.LinearIndex & 3) * 2;
        float* sums = stackalloc float[4];
        for (int i = 0; i < 4; i++) sums[i] = Dot(thread, turn, row + i / 2 * 8, column + i % 2, bf16);
        return new FragmentC { R0 = c.R0 + sums[0], R1 = c.R1 + sums[1], R2 = c.R2 + sums[2], R3 = c.R3 + sums[3] };
    }

    public static FragmentA Load4<T>(ArrayView<T> shared, int index, bool transposed) where T : unmanaged
    {
        (EmulatedThread thread, int turn) = ExchangeRows(shared, index);
        return new FragmentA
        {
            R0 = Element(thread, turn, 0, transposed),
            R1 = Element(thread, turn, 1, transposed),
            R2 = Element(thread, turn, 2, transposed),
            R3 = Element(thread, turn, 3, transposed),
        };
    }

    public static FragmentB Load2<T>(ArrayView<T> shared, int index, bool transposed) where T : unmanaged
    {
        (EmulatedThread thread, int turn) = ExchangeRows(shared, index);
        return new FragmentB { R0 = Element(thread, turn, 0, transposed), R1 = Element(thread, turn, 1, transposed) };
    }

    private static float Dot(EmulatedThread thread, int turn, int row, int column, bool bf16)
    {
        float sum = 0;
        for (int k = 0; k < 16; k++)
        {
            // Element (row, k) of A and (k, column) of B: the lane, the register, the half.
            FragmentA a = thread.FromLane<Inputs>(row % 8 * 4 + k % 8 / 2, turn).A;
            FragmentB b = thread.FromLane<Inputs>(column * 4 + k % 8 / 2, turn).B;
            uint registerA = (row / 8 + k / 8 * 2) switch { 0 => a.R0, 1 => a.R1, 2 => a.R2, _ => a.R3 };
            uint registerB = k < 8 ? b.R0 : b.R1;
            sum += Half(registerA, k % 2, bf16) * Half(registerB, k % 2, bf16);
        }

        return sum;
    }

    private static float Half(uint register, int half, bool bf16)
    {
        var bits = (ushort)(register >> half * 16);
        return bf16 ? Bf16.ToFloat(Bf16.FromBits(bits)) : (float)BitConverter.UInt16BitsToHalf(bits);
    }

    /// <summary>Each lane reads the row that it points to, and all see all rows.</summary>
    private static (EmulatedThread Thread, int Turn) ExchangeRows<T>(ArrayView<T> shared, int index) where T : unmanaged
    {
        EmulatedThread thread = FullWarp();
        ArrayView<Row> row = shared.SubView(index, 16 / sizeof(T)).Cast<Row>();
        if (shared.Source != thread.Group.Shared) throw EmulatedThread.Error("a matrix load is not from shared memory");
        if (row.Address % 16 != 0) throw EmulatedThread.Error($"a matrix row at element {index} is not on a multiple of 16 bytes");
        return (thread, thread.Exchange(row[0], Collective.MatrixLoad));
    }

    private static uint Element(EmulatedThread thread, int turn, int matrix, bool transposed)
    {
        int lane = thread.LinearIndex & 31;
        int g = lane / 4, t = lane % 4 * 2;
        uint low = transposed ? At(t, g) : At(g, t);
        uint high = transposed ? At(t + 1, g) : At(g, t + 1);
        return low | high << 16;

        uint At(int row, int column) => thread.FromLane<Row>(matrix * 8 + row, turn).Values[column];
    }

    private static EmulatedThread FullWarp()
    {
        EmulatedThread thread = EmulatedThread.Current;
        return thread.LaneMask == uint.MaxValue ? thread : throw EmulatedThread.Error("matrix operations need a warp of 32 threads");
    }
}
