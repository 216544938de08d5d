namespace OllmNative.Kernels;

/// <summary>
/// What a row's options add to the decoder's hidden layer. With as few terms as there are options it is bound by the rows' own bytes, so it
/// reads the f32 table itself: training, and decoding (<c>DecodeAdapter</c>), see the same numbers.
/// </summary>
public static class AddOptions
{
    private const string Contract = """
        pre[n,i] += sum_k z[n,k] * table[k,i]        pre [N,M], z [N,K], table [K,M] f32; sums in f32, options with z = 0 are not read
        grid N, group any one-dimensional
        bytes 8NM + 4NK, flops 2NMK
        """;

    [Kernel("AddOptions", Contract)]
    public static void Forward(ArrayView<float> pre, ArrayView<float> z, ArrayView<float> table, int width, int options)
    {
        long row = (long)Grid.IdxX * width, choice = (long)Grid.IdxX * options;
        for (int i = Group.IdxX; i < width; i += Group.DimX)
        {
            float sum = 0f;
            for (int k = 0; k < options; k++)
            {
                // The same for the whole group: a hard choice reads one row of the table.
                float share = z[choice + k];
                if (share != 0f) sum += share * table[(long)k * width + i];
            }
            pre[row + i] += sum;
        }
    }
}
