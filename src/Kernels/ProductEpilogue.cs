#if !ILGPU
using OllmNative.Runtime.Extensions;

namespace OllmNative.Kernels;

/// <summary>
/// Where the sums of a tile go: one of the outputs of a <see cref="ProductTask"/>. A thread holds pairs of neighbouring columns, as products of
/// m rows x 8 columns leave them: for the eight rows r of a block and the products j beside each other, element
/// (r / 2) * pitch + r % 2 * 2 + 4 j and the one after it.
/// </summary>
internal struct ProductEpilogue
{
    private ArrayView<float> _output, _bias, _scale;
    private ArrayView<ushort> _rounded;
    private int _rows, _accumulate;

    /// <summary>Columns of the output.</summary>
    public int Columns;

    /// <summary>Which of the outputs.</summary>
    public int Segment;

    /// <summary>The tile's first column within the output.</summary>
    public int First;

    /// <summary>The output that column tile <paramref name="tile"/> belongs to.</summary>
    public static ProductEpilogue Of(ProductTask task, int tile, int width)
    {
        ProductEpilogue to = default;
        to._rows = task.M;
        to._accumulate = task.Accumulate;
        to._scale = task.Scale;
        to._output = task.Output0;
        to._bias = task.Bias0;
        to._rounded = task.Rounded;
        to.Columns = task.N0;
        int second = tile - (task.N0 + width - 1) / width, third = second - (task.N1 + width - 1) / width;
        if (second >= 0)
        {
            tile = second;
            to.Segment = 1;
            to._output = task.Output1;
            to._bias = task.Bias1;
            to._rounded = default;
            to.Columns = task.N1;
        }

        if (third >= 0)
        {
            tile = third;
            to.Segment = 2;
            to._output = task.Output2;
            to._bias = task.Bias2;
            to.Columns = task.N2;
        }

        to.First = tile * width;
        return to;
    }

    /// <summary>The place of a part's sums, where K is cut.</summary>
    public void TakePart(int part)
    {
        long size = (long)_rows * Columns;
        if (part > 0) _output = _output.SubView(part * size, size);
    }

    /// <summary>silu(gate) * up, the activation of the MLP, in place of the gate's sums; those of up begin <paramref name="up"/> elements further.</summary>
    public static void Gate(float[] sums, int blocks, int products, int pitch, int up)
    {
        for (int r = 0; r < blocks; r++)
            for (int j = 0; j < products; j++)
                for (int e = 0; e < 2; e++)
                {
                    int at = r / 2 * pitch + r % 2 * 2 + 4 * j + e;
                    // 1 / (1 + exp(-x)): the square of a root's reciprocal, which is one instruction where a division is twelve.
                    float root = XMath.Rsqrt(1f + XMath.Exp2(sums[at] * -1.44269504f));
                    sums[at] = sums[at] * (root * root) * sums[at + up];
                }
    }

    /// <summary>What the output asks for, on the way out. Each kind of work is a pass of its own: a launch without it pays one branch a tile.</summary>
    /// <param name="sums">The thread's sums; changed.</param>
    /// <param name="row">Its first row.</param>
    /// <param name="column">Its first column.</param>
    /// <param name="blocks">Blocks of eight rows: a constant.</param>
    /// <param name="products">Products beside each other: a constant.</param>
    /// <param name="pitch">Elements of the products beside each other: a constant.</param>
    public readonly void Store(float[] sums, int row, int column, int blocks, int products, int pitch)
    {
        int last = Columns - column;
        if (_bias.Length != 0) AddBias(sums, column, last, blocks, products, pitch);
        if (_accumulate != 0) AddOld(sums, row, column, last, blocks, products, pitch);
        if (_output.Length != 0)
        {
            for (int r = 0; r < blocks; r++)
            {
                if (row + 8 * r >= _rows) continue;
                ArrayView<ulong> pairs = _output.SubView((long)(row + 8 * r) * Columns).Cast<ulong>();
                for (int j = 0; j < products; j++)
                {
                    int at = r / 2 * pitch + r % 2 * 2 + 4 * j;
                    if (8 * j < last) pairs[(column >> 1) + 4 * j] = Interop.FloatAsInt(sums[at]) | (ulong)Interop.FloatAsInt(sums[at + 1]) << 32;
                }
            }
        }

        if (_rounded.Length == 0) return;
        for (int r = 0; r < blocks; r++)
        {
            if (row + 8 * r >= _rows) continue;
            ArrayView<uint> pairs = _rounded.SubView((long)(row + 8 * r) * Columns).Cast<uint>();
            for (int j = 0; j < products; j++)
            {
                int at = r / 2 * pitch + r % 2 * 2 + 4 * j;
                if (8 * j < last) pairs[(column >> 1) + 4 * j] = Vector16.PackBf16(sums[at], sums[at + 1]);
            }
        }
    }

    private readonly void AddBias(float[] sums, int column, int last, int blocks, int products, int pitch)
    {
        for (int j = 0; j < products; j++)
        {
            if (8 * j >= last) continue;
            float left = _bias[column + 8 * j], right = _bias[column + 8 * j + 1];
            for (int r = 0; r < blocks; r++)
            {
                int at = r / 2 * pitch + r % 2 * 2 + 4 * j;
                sums[at] += left;
                sums[at + 1] += right;
            }
        }
    }

    private readonly void AddOld(float[] sums, int row, int column, int last, int blocks, int products, int pitch)
    {
        for (int r = 0; r < blocks; r++)
        {
            if (row + 8 * r >= _rows) continue;
            ArrayView<ulong> pairs = _output.SubView((long)(row + 8 * r) * Columns).Cast<ulong>();
            float factor = _scale.Length != 0 ? _scale[row + 8 * r] : 1f;
            for (int j = 0; j < products; j++)
            {
                if (8 * j >= last) continue;
                int at = r / 2 * pitch + r % 2 * 2 + 4 * j;
                ulong old = pairs[(column >> 1) + 4 * j];
                sums[at] += Interop.IntAsFloat((uint)old) * factor;
                sums[at + 1] += Interop.IntAsFloat((uint)(old >> 32)) * factor;
            }
        }
    }
}
#endif
