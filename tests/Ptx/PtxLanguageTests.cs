using System.Numerics;
using OllmNative.Runtime.Compiler;
using OllmNative.Runtime.Compiler.Ptx;
using OllmNative.Runtime.Extensions;
using OllmNative.Runtime.Language;

namespace OllmNative.Tests.Ptx;

/// <summary>Small kernels, one for each part of the language, through the compiler and the interpreter.</summary>
public sealed class PtxLanguageTests
{
    [Fact]
    public void Warp_Shuffles_GiveTheLanesValues()
    {
        int[] view = new int[160];
        PtxRun.Launch(Shuffles, new(1), new(32), view);
        for (int lane = 0; lane < 32; lane++)
        {
            Assert.Equal(lane + 3 < 32 ? lane + 3 : lane, view[lane]);
            Assert.Equal(lane % 8 >= 2 ? lane - 2 : lane, view[32 + lane]);
            Assert.Equal(lane ^ 5, view[64 + lane]);
            Assert.Equal(lane / 8 * 8 + 1, view[96 + lane]);
            Assert.Equal(1, view[128 + lane]);
        }
    }

    private static void Shuffles(ArrayView<int> view)
    {
        int lane = Warp.LaneIdx;
        view[lane] = Warp.ShuffleDown(lane, 3);
        view[32 + lane] = Warp.ShuffleUp(lane, 2, 8);
        view[64 + lane] = Warp.ShuffleXor(lane, 5, 16);
        view[96 + lane] = Warp.Shuffle(lane, 9, 8);
        view[128 + lane] = Warp.Broadcast(lane * 10_000_000_000L, 3) == 30_000_000_000L ? 1 : 0;
    }

    private static void Votes(ArrayView<int> view, int limit)
    {
        bool below = Group.IdxX < limit;
        view[Group.IdxX] = (int)WarpVote.Ballot(below);
        view[64 + Group.IdxX] = (WarpVote.Any(below) ? 1 : 0) + (WarpVote.All(below) ? 2 : 0);
        view[128 + Group.IdxX] = Group.BarrierPopCount(below) + (Group.BarrierAnd(below) ? 1000 : 0) + (Group.BarrierOr(below) ? 2000 : 0);
        view[192 + Group.IdxX] = Group.Broadcast(Group.IdxX * 7, 33);
    }

    [Fact]
    public void GroupsAndWarps_Votes_CountEveryThread()
    {
        int[] view = new int[256];
        PtxRun.Launch(Votes, new(1), new(64), view, 37);
        for (int t = 0; t < 64; t++)
        {
            Assert.Equal(t < 32 ? -1 : 31, view[t]);
            Assert.Equal(t < 32 ? 3 : 1, view[64 + t]);
            Assert.Equal(2037, view[128 + t]);
            Assert.Equal(231, view[192 + t]);
        }
    }

    private static void Sums(ArrayView<int> values, ArrayView<int> sums, int first, int end, int step)
    {
        int below = 0, upTo = 0;
        for (int i = first; i < end; i += step) below = below * 3 + values[i & 31];
        for (int i = first; i <= end && i < int.MaxValue; i += step) upTo = upTo * 5 + values[i & 31];
        for (int i = first; i <= end; i += 7) upTo += values[i & 31] ^ upTo;
        (sums[0], sums[1]) = (below, upTo);
    }

    // Ends near the limits of int, few rounds and many: the loop of several rounds at once must not begin where the last ones are not due.
    [Theory]
    [InlineData(0, 0, 1)]
    [InlineData(0, 3, 1)]
    [InlineData(0, 4, 1)]
    [InlineData(5, 42, 1)]
    [InlineData(5, 42, 9)]
    [InlineData(0, 100, int.MaxValue / 2)]
    [InlineData(10, -100, 3)]
    [InlineData(10, int.MinValue, -3)]
    [InlineData(int.MinValue, int.MinValue + 9, 2)]
    [InlineData(int.MaxValue - 30, int.MaxValue - 10, 2)]
    public void Loops_ThatOnlyRead_SumWhatIsDue(int first, int end, int step)
    {
        int[] values = [.. Enumerable.Range(1, 32)], sums = new int[2], expected = new int[2];
        int below = 0, upTo = 0;
        for (int i = first; i < end; i += step) below = below * 3 + values[i & 31];
        for (int i = first; i <= end && i < int.MaxValue; i += step) upTo = upTo * 5 + values[i & 31];
        for (int i = first; i <= end; i += 7) upTo += values[i & 31] ^ upTo;
        (expected[0], expected[1]) = (below, upTo);
        PtxRun.Launch(Sums, new(1), new(1), values, sums, first, end, step);
        Assert.Equal(expected, sums);
    }

    private static void Atomics(ArrayView<int> ints, ArrayView<uint> words, ArrayView<float> floats)
    {
        int i = Grid.GlobalIndex.X;
        ArrayView<int> shared = SharedMemory.Allocate<int>(1);
        if (Group.IsFirstThread) shared[0] = 0;
        Group.Barrier();
        Atomic.Add(ref shared[0], i);
        Group.Barrier();
        if (Group.IsFirstThread) Atomic.Add(ref ints[0], shared[0]);
        Atomic.Max(ref ints[1], i);
        Atomic.Min(ref ints[2], -i);
        Atomic.Xor(ref words[0], 1u << i % 32);
        Atomic.Max(ref words[1], 0x8000_0000u + (uint)i);
        Atomic.Add(ref floats[0], 0.5f);
        Atomic.Exchange(ref floats[1], 3f);
        Atomic.CompareExchange(ref ints[3], 5, 9);
    }

    [Fact]
    public void Atomic_ManyThreads_LoseNothing()
    {
        int[] ints = [0, 0, 0, 5];
        uint[] words = [0, 0];
        float[] floats = [0, 0];
        PtxRun.Launch(Atomics, new(3), new(40), ints, words, floats);
        Assert.Equal([7140, 119, -119, 9], ints);
        Assert.Equal([0xff000000u, 0x80000077u], words);
        Assert.Equal([60f, 3f], floats);
    }

    private static void Transpose(ArrayView2D<float, Stride2D.DenseY> source, ArrayView2D<float, Stride2D.DenseY> target)
    {
        ArrayView2D<float, Stride2D.DenseY> tile = SharedMemory.Allocate2DDenseY<float>(new Index2D(8, 9));
        tile[Group.IdxY, Group.IdxX] = source[Group.IdxY, Group.IdxX];
        Group.Barrier();
        target[Group.IdxX, Group.IdxY] = tile[Group.IdxY, Group.IdxX];
    }

    [Fact]
    public void Views_TwoDimensions_AreTransposedThroughSharedMemory()
    {
        CompiledKernel kernel = PtxRun.Compile(Transpose);
        var machine = new PtxMachine(kernel.Ptx);
        byte[] source = new byte[8 * 8 * 4], target = new byte[8 * 8 * 4];
        for (int i = 0; i < 64; i++) BitConverter.TryWriteBytes(source.AsSpan(4 * i), (float)i);
        ulong[] View(byte[] memory) => [machine.Memory.Allocate(memory), 64, 8, 8, 8];
        machine.Launch(new(1), new(8, 8), [.. View(source), .. View(target)]);
        for (int x = 0; x < 8; x++)
            for (int y = 0; y < 8; y++) Assert.Equal(8 * y + x, BitConverter.ToSingle(target, 4 * (8 * x + y)));
    }

    private interface IOperation<T>
    {
        static abstract T Start { get; }
        T Apply(T a, T b);
    }

    private readonly struct Largest : IOperation<float>
    {
        public static float Start => float.NegativeInfinity;
        public float Apply(float a, float b) => Math.Max(a, b);
    }

    private readonly struct Total : IOperation<int>
    {
        public static int Start => 0;
        public int Apply(int a, int b) => a + b;
    }

    private static void Reduce<T, TOperation>(ArrayView<T> view, int n) where T : unmanaged, INumber<T> where TOperation : struct, IOperation<T>
    {
        T result = TOperation.Start;
        for (int i = 0; i < n; i++) result = default(TOperation).Apply(result, view[i]);
        view[typeof(T) == typeof(float) ? 0 : 1] = result;
    }

    [Fact]
    public void Generics_PoliciesAndStaticAbstracts_AreResolved()
    {
        float[] floats = [1, 5, 3];
        int[] ints = [1, 5, 3];
        PtxRun.Launch(Reduce<float, Largest>, new(1), new(1), floats, 3);
        PtxRun.Launch(Reduce<int, Total>, new(1), new(1), ints, 3);
        Assert.Equal([5f, 5f, 3f], floats);
        Assert.Equal([1, 9, 3], ints);
    }

    private static void Specialized(ArrayView<int> view, SpecializedValue<int> count)
    {
        int[] sums = new int[4];
        for (int i = 0; i < count.Value; i++) sums[i % 4] += i * i;
        view[0] = sums[0] + 10 * sums[1] + 100 * sums[2] + 1000 * sums[3];
    }

    [Fact]
    public void SpecializedValue_GivenAsConstant_UnrollsAndKeepsArraysInRegisters()
    {
        var options = new KernelCompileOptions { Specializations = new Dictionary<int, object> { [1] = new SpecializedValue<int>(6) } };
        CompiledKernel kernel = KernelCompiler.Compile(((Delegate)Specialized).Method, options);
        Assert.DoesNotContain("bra", kernel.Ptx, StringComparison.Ordinal);
        Assert.DoesNotContain(".local", kernel.Ptx, StringComparison.Ordinal);
        int[] view = [0];
        PtxRun.Launch(kernel, new(1), new(1), view);
        Assert.Equal(16 + 10 * 26 + 400 + 9000, view[0]);
    }

    private static void Implicit(Index1D index, ArrayView<int> view) => view[index] = 3 * index;

    [Fact]
    public void ImplicitIndex_ThreadsPastTheExtent_DoNothing()
    {
        CompiledKernel kernel = KernelCompiler.Compile(((Delegate)Implicit).Method, new KernelCompileOptions { ImplicitIndex = true });
        int[] view = new int[5];
        PtxRun.Launch(kernel, new(2), new(4), new Index1D(5), view);
        Assert.Equal([0, 3, 6, 9, 12], view);
    }

    private static void RuntimeIndexed(ArrayView<int> view)
    {
        int[] table = new int[8];
        for (int i = 0; i < 8; i++) table[i] = i * i;
        view[Group.IdxX] = table[view[Group.IdxX] & 7];
    }

    [Fact]
    public void LocalArray_IndexedAtRunTime_LivesInLocalMemory()
    {
        int[] view = [7, 0, 3, 13];
        PtxRun.Launch(RuntimeIndexed, new(1), new(4), view);
        Assert.Equal([49, 0, 9, 25], view);
    }

    private static void Functions(ArrayView<float> x, ArrayView<float> y)
    {
        int i = 8 * Group.IdxX;
        float v = x[Group.IdxX];
        y[i] = XMath.Exp(v);
        y[i + 1] = XMath.Log(XMath.Abs(v) + 0.1f);
        y[i + 2] = XMath.Sin(v);
        y[i + 3] = XMath.Cos(v);
        y[i + 4] = XMath.Tanh(v);
        y[i + 5] = XMath.Rsqrt(XMath.Abs(v) + 1);
        y[i + 6] = MathF.FusedMultiplyAdd(v, v, 1);
        y[i + 7] = Bf16.ToFloat(Bf16.FromFloat(v));
    }

    [Fact]
    public void Functions_OfReals_AreCloseToDotNets()
    {
        float[] x = [0, 1, -1, 0.01f, -30, 60, 88, -100, 1000, -12345.678f], y = new float[80];
        PtxRun.Launch(Functions, new(1), new(10), x, y);
        for (int i = 0; i < x.Length; i++)
        {
            double v = x[i];
            double[] expected = [Math.Exp(v), Math.Log(Math.Abs(v) + 0.1f), Math.Sin(v), Math.Cos(v), Math.Tanh(v), 1 / Math.Sqrt(Math.Abs(v) + 1), v * v + 1, Bf16.ToFloat(Bf16.FromFloat(x[i]))];
            for (int f = 0; f < 8; f++)
            {
                double error = (float)expected[f] == y[8 * i + f] ? 0 : Math.Abs(y[8 * i + f] - expected[f]) / Math.Max(f is 2 or 3 ? 1 : 1e-30, Math.Abs(expected[f]));
                Assert.True(error < 3e-6, $"function {f} of {v}: {y[8 * i + f]} instead of {expected[f]}");
            }
        }
    }

    private static void Divergent(ArrayView<int> view)
    {
        if (Group.IdxX < 7) view[0] = Warp.ShuffleXor(Group.IdxX, 1);
    }

    [Fact]
    public void Interpreter_ShuffleInADivergentBranch_IsAnError() => Assert.Throws<PtxException>(() => PtxRun.Launch(Divergent, new(1), new(32), new int[4]));

    private static void Outside(ArrayView<int> view) => view[Group.IdxX + 1] = 1;

    [Fact]
    public void Interpreter_AccessBesideAView_IsAnError() => Assert.Throws<PtxException>(() => PtxRun.Launch(Outside, new(1), new(4), new int[4]));

    [Fact]
    public void Target_WithoutBf16_IsRefused()
    {
        var error = Assert.Throws<KernelCompileException>(() => KernelCompiler.Compile(((Delegate)Functions).Method, new KernelCompileOptions { Target = PtxTarget.Sm75 }));
        Assert.Contains("sm_80", error.Message, StringComparison.Ordinal);
    }
}
