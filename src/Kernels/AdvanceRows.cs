namespace OllmNative.Kernels;

/// <summary>The end of a decoding step: the token that was picked becomes the next step's input, and everything that counts goes on by one.</summary>
public static class AdvanceRows
{
    private const string Contract = """
        with s = rows[n].count % 2:  results[s,n] = (picked[n], z[n], the bits of pi, 1 where picked[n] ends the sequence)
        tokens[n] = picked[n];  positions[n], cacheRows[n], items[n].past, rows[n].count += 1;  bit picked[n] of seen[n] = 1
        batch [3,N] i32 = tokens, positions, cacheRows; items [N,4] i32 as attention's; rows [N,12] (DecodeRow), seen [N,W] bits, W = words;
        chosen [N,2] i32 or empty (no options); results [2,N,4] i32
        grid ceil(N / group), group any one-dimensional, one thread a row
        bytes 120N, flops 0
        """;

    private const string AddContract = """
        b[n,d] = hidden[n,d] + (chosen[n,0] < 0 ? 0 : b[n,d])        b, hidden [N,D] f32, chosen [N,2] i32
        grid N, group any one-dimensional
        bytes 12ND, flops ND
        """;

#if !ILGPU
    [Runtime.Extensions.OverlapsPredecessor]
#endif
    [Kernel("AdvanceRows", Contract)]
    public static void Forward(
        ArrayView<int> picked, ArrayView<int> chosen, ArrayView<int> batch, ArrayView<int> items, ArrayView<int> rows, ArrayView<int> seen,
        ArrayView<int> results, int count, int words)
    {
        Overlap.Begin();
        int n = Grid.GlobalIndex.X;
        if (n >= count) return;
        int token = picked[n], row = n * DecodeRow.Ints, step = rows[row + DecodeRow.Count];
        int result = (step % 2 * count + n) * DecodeRow.Results, stops = 0;
        for (int i = 0; i < DecodeRow.MostStops; i++)
        {
            if (i < rows[row + DecodeRow.Stops] && rows[row + DecodeRow.FirstStop + i] == token) stops = 1;
        }
        results[result] = token;
        results[result + 1] = chosen.Length == 0 ? -1 : chosen[2 * n];
        results[result + 2] = chosen.Length == 0 ? 0 : chosen[2 * n + 1];
        results[result + 3] = stops;
        rows[row + DecodeRow.Count] = step + 1;
        seen[n * words + token / 32] |= 1 << (token % 32);
        batch[n] = token;
        batch[count + n]++;
        batch[2 * count + n]++;
        items[4 * n + 2]++;
    }

    [Kernel("AddChosen", AddContract)]
    public static void AddChosen(ArrayView<float> b, ArrayView<float> hidden, ArrayView<int> chosen, int columns)
    {
        long row = (long)Grid.IdxX * columns;
        float share = chosen[2 * Grid.IdxX] < 0 ? 0f : 1f;
        for (int d = Group.IdxX; d < columns; d += Group.DimX) b[row + d] = hidden[row + d] + share * b[row + d];
    }
}
