#if !ILGPU
using OllmNative.Runtime.Extensions;

namespace OllmNative.Kernels;

/// <summary>
/// The second half of a product whose K is cut into parts (<see cref="ProductTask.Splits"/>), so that a result of few tiles fills the chip: the parts'
/// sums, added in their order, which keeps the bits the same from run to run, and what the product does on the way out.
/// The portable twin is an uncut product, <see cref="MatMulRegisters"/>.
/// </summary>
public static class SplitSums
{
    private const int Threads = 256;

    private const string Contract = """
        C_i[m,n] = (accumulate ? scale[m] C_i[m,n] : 0) + bias_i[n] + sum_p parts_i[p,m,n]        up to three C_i [M,N_i] f32
        parts: [splits,M,N_0], then [splits,M,N_1] and [splits,M,N_2] f32; scale, bias_i may be empty
        a thread makes four columns: grid ceil(M (N_0 + N_1 + N_2) / 1024), group 256        requires every N_i % 4 = 0, all views on 16 bytes
        bytes 4 (splits + 1) M N (accumulate: + 4 M N), flops splits M N
        """;

    /// <summary>The launch for a task.</summary>
    public static KernelConfig Config(in ProductTask task) => ((int)(((long)task.M * (task.N0 + task.N1 + task.N2) / 4 + Threads - 1) / Threads), Threads);

    [Kernel("SplitSums", Contract), OverlapsPredecessor]
    public static void Forward(ArrayView<float> parts, ProductTask task)
    {
        Overlap.Begin();
        int at = 4 * (Grid.IdxX * Threads + Group.IdxX), columns = task.N0;
        long first = 0;
        ArrayView<float> output = task.Output0, bias = task.Bias0;
        if (at >= task.M * columns)
        {
            at -= task.M * columns;
            first = (long)task.Splits * task.M * columns;
            columns = task.N1;
            output = task.Output1;
            bias = task.Bias1;
            if (at >= task.M * columns)
            {
                at -= task.M * columns;
                first += (long)task.Splits * task.M * columns;
                columns = task.N2;
                output = task.Output2;
                bias = task.Bias2;
                if (at >= task.M * columns) return;
            }
        }

        int row = at / columns, size = task.M * columns;
        Float4 sum = Together(parts.SubView(first + at), task.Splits, size);
        if (bias.Length != 0) sum = Plus(sum, Vector16.LoadFloat4(bias, at - row * columns), 1f);
        if (task.Accumulate != 0) sum = Plus(sum, Vector16.LoadFloat4(output, at), task.Scale.Length != 0 ? task.Scale[row] : 1f);
        Vector16.StoreFloat4(output, at, sum);
    }

    /// <summary>The sum of four columns over all parts in their order, in fours: ptxas has two to three loads on their way at a time, whatever stands between.</summary>
    private static Float4 Together(ArrayView<float> parts, int count, int size)
    {
        Float4 sum = default;
        int part = 0;
        for (; part + 4 <= count; part += 4)
        {
            Float4 a = Part(parts, part, size), b = Part(parts, part + 1, size), c = Part(parts, part + 2, size), d = Part(parts, part + 3, size);
            sum = Plus(Plus(Plus(Plus(sum, a, 1f), b, 1f), c, 1f), d, 1f);
        }

        for (; part < count; part++) sum = Plus(sum, Part(parts, part, size), 1f);
        return sum;
    }

    private static Float4 Part(ArrayView<float> parts, int part, int size) => Vector16.LoadFloat4(parts.SubView((long)part * size, 4), 0);

    private static Float4 Plus(Float4 sum, Float4 value, float factor) =>
        new(sum.X + value.X * factor, sum.Y + value.Y * factor, sum.Z + value.Z * factor, sum.W + value.W * factor);
}
#endif
