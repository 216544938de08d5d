using OllmNative.Kernels;
using OllmNative.Runtime.Compiler;
using OllmNative.Runtime.Compiler.Ptx;
using OllmNative.Runtime.Cuda;
using OllmNative.Runtime.Extensions;
using OllmNative.Runtime.Language;
using OllmNative.Tests.Cuda;

namespace OllmNative.Tests.Ptx;

/// <summary>The prompts' attention on Hopper's warp groups, in the emulator and as PTX through the host layer, against plain C# in f64.</summary>
public sealed class AttentionWgmmaTests(EmulatorFixture emulator) : IClassFixture<EmulatorFixture>
{
    /// <summary>Sequences: queries, positions before, cache row. Lengths that fill no tile, prefixes, one block of one query, five tiles so that the ring goes round more than twice, neighbours full of NaN.</summary>
    private static readonly (int Count, int Past, int CacheRow)[] Sequences = [(150, 0, 3), (1, 127, 200), (20, 530, 330)];

    private const int CacheRows = 890;

    [Theory]
    [InlineData(64, 2, 1)]
    [InlineData(128, 2, 2)]
    public void Forward_OddLengths_IsCausalAttention(int size, int heads, int kvHeads)
    {
        var attention = new Case(size, heads, kvHeads);
        attention.Check(emulator.Accelerator);
        using var gpu = new PtxGpu();
        attention.Check(gpu.Accelerator);
    }

    /// <summary>What makes it fast: nothing in memory, and the exponentials between the wait for the scores and the wait for the values.</summary>
    [SkippableTheory]
    [InlineData("AttentionWgmma64")]
    [InlineData("AttentionWgmma128")]
    public void Assemble_Loop_HasTheSoftmaxBesideTheProducts(string name)
    {
        Ptxas? ptxas = Ptxas.Find();
        Skip.If(ptxas is null, "ptxas and nvdisasm are not on PATH: build/ptxas.sh fetches them");
        AssembledPtx assembled = ptxas!.Assemble([KernelCompiler.Compile(KernelCatalog.Get(name)!.Method, new KernelCompileOptions { Target = PtxTarget.Sm90a })]);
        Assert.Empty(assembled.Warnings);
        Assert.Equal(0, assembled.Kernels[0].StackBytes);
        string sass = ptxas.Disassemble(assembled.Cubin);
        int scores = sass.IndexOf("WARPGROUP.DEPBAR.LE gsb0, 0x1", StringComparison.Ordinal), values = sass.IndexOf("WARPGROUP.DEPBAR.LE gsb0, 0x0", scores, StringComparison.Ordinal);
        Assert.True(scores > 0 && values > scores);
        // 64 scores a thread, of which ptxas may leave a last one or two behind.
        Assert.InRange(sass[scores..values].Split("MUFU.EX2").Length - 1, 60, 70);
    }

    /// <summary>Inputs, and what comes out.</summary>
    private sealed class Case
    {
        private readonly int _size, _heads, _width;
        private readonly AttentionShape _shape;
        private readonly float[] _q;
        private readonly Bf16[] _keys, _values;
        private readonly int[] _items;

        public Case(int size, int heads, int kvHeads)
        {
            (_size, _heads, _width) = (size, heads, kvHeads * size);
            _shape = new AttentionShape { Heads = heads, KvHeads = kvHeads, HeadSize = size, Packed = 1, Splits = 1, Scale = 1 / MathF.Sqrt(size) };
            // Scores of several units of log 2, so that maxima move and sums are rescaled.
            _q = PtxRun.Random(1, Sequences.Sum(s => s.Count) * heads * size, 12);
            _keys = Cache(2);
            _values = Cache(3);
            var items = new List<int>();
            int first = 0;
            foreach ((int count, int past, int cacheRow) in Sequences)
            {
                for (int at = 0; at < count; at += AttentionWgmma.Queries) items.AddRange([first + at, Math.Min(AttentionWgmma.Queries, count - at), past + at, cacheRow]);
                first += count;
            }

            _items = [.. items];
        }

        /// <summary>Rows that belong to no sequence are NaN.</summary>
        private Bf16[] Cache(int seed)
        {
            float[] values = PtxRun.Random(seed, CacheRows * _width);
            for (int row = 0; row < CacheRows; row++)
                if (!Sequences.Any(s => row >= s.CacheRow && row < s.CacheRow + s.Past + s.Count)) Array.Fill(values, float.NaN, row * _width, _width);
            return [.. values.Select(Bf16.FromFloat)];
        }

        public void Check(Accelerator accelerator)
        {
            using var q = accelerator.Allocate1D(_q);
            using var keys = accelerator.Allocate1D(_keys);
            using var values = accelerator.Allocate1D(_values);
            using var items = accelerator.Allocate1D(_items);
            using var output = accelerator.Allocate1D(new float[_q.Length]);
            using var rounded = accelerator.Allocate1D(new ushort[_q.Length]);
            accelerator.LoadStreamKernel<ArrayView<float>, TensorMap, TensorMap, ArrayView<float>, ArrayView<ushort>, ArrayView<int>, AttentionShape>(
                _size == 64 ? AttentionWgmma.Head64 : AttentionWgmma.Head128)(
                AttentionWgmma.Config(_items.Length / 4, _heads, _size), q.View, AttentionWgmma.Map(keys.View, _width), AttentionWgmma.Map(values.View, _width),
                output.View, rounded.View, items.View, _shape);
            accelerator.Synchronize();
            float[] found = output.GetAsArray1D();
            PtxRun.AssertClose(Expected(), found, 4e-3);
            Assert.Equal(found.Select(value => Bf16.FromFloat(value).Bits), rounded.GetAsArray1D());
        }

        private double[] Expected()
        {
            var result = new double[_q.Length];
            int query = 0;
            foreach ((int count, int past, int cacheRow) in Sequences)
                for (int i = 0; i < count; i++, query++)
                    for (int head = 0; head < _heads; head++) Attend((query * _heads + head) * _size, past + i + 1, cacheRow * _width + head * _width / _heads / _size * _size, result);
            return result;
        }

        private void Attend(int at, int visible, int key, double[] result)
        {
            // Of the queries as the kernel rounds them: with scores this large their rounding would show more than any error.
            float scale = _shape.Scale * 1.44269504f;
            double[] q = [.. _q[at..(at + _size)].Select(value => (double)(float)Bf16.FromFloat(value * scale))];
            double[] weights = [.. Enumerable.Range(0, visible).Select(j => Enumerable.Range(0, _size).Sum(d => q[d] * (float)_keys[key + j * _width + d]))];
            double max = weights.Max(), sum = 0;
            for (int j = 0; j < visible; j++) sum += weights[j] = Math.Pow(2, weights[j] - max);
            for (int d = 0; d < _size; d++)
                for (int j = 0; j < visible; j++) result[at + d] += weights[j] / sum * (float)_values[key + j * _width + d];
        }
    }
}
