using OllmNative.Runtime.Extensions;
using OllmNative.Runtime.Language;

namespace OllmNative.Tests;

/// <summary>bf16, votes, 16-byte accesses, cp.async and the tensor core, in the emulator.</summary>
public sealed class EmulatorExtensionTests(EmulatorFixture emulator) : IClassFixture<EmulatorFixture>
{
    [Theory]
    [InlineData(0x3f800000u, 0x3f80)]
    [InlineData(0x3f808000u, 0x3f80)] // half way: to even
    [InlineData(0x3f818000u, 0x3f82)] // half way: to even, upwards
    [InlineData(0x3f808001u, 0x3f81)]
    [InlineData(0xbf80ffffu, 0xbf81)]
    [InlineData(0x7f7fffffu, 0x7f80)] // the largest float rounds to infinity
    [InlineData(0x7f800001u, 0x7fc0)] // NaN stays NaN
    [InlineData(0x80000000u, 0x8000)]
    public void Bf16_FromFloat_RoundsToNearestEven(uint bits, int expected) =>
        Assert.Equal(expected, Bf16.FromFloat(BitConverter.UInt32BitsToSingle(bits)).Bits);

    [Fact]
    public void Bf16_EveryValue_SurvivesTheRoundTrip()
    {
        for (int bits = 0; bits < 65536; bits++)
        {
            float value = Bf16.ToFloat(Bf16.FromBits((ushort)bits));
            if (!float.IsNaN(value)) Assert.Equal(bits, Bf16.FromFloat(value).Bits);
        }
    }

    private static void Ballots(ArrayView<uint> results)
    {
        uint odd = WarpVote.Ballot(Group.IdxX % 2 == 1);
        bool any = WarpVote.Any(Group.IdxX == 33), all = WarpVote.All(Group.IdxX < 40);
        results[Group.IdxX] = odd ^ (any ? 1u : 0) ^ (all ? 4u : 0);
    }

    [Fact]
    public void Ballot_WarpAndAHalf_CountsOwnLanesOnly()
    {
        using var results = emulator.Zeros<uint>(40);
        emulator.Accelerator.LoadStreamKernel<ArrayView<uint>>(Ballots)((1, 40), results.View);
        uint[] actual = results.GetAsArray1D();
        Assert.All(actual[..32], value => Assert.Equal(0xaaaaaaaau ^ 4, value));
        Assert.All(actual[32..], value => Assert.Equal(0xaau ^ 1 ^ 4, value));
    }

    private static void Vectors(ArrayView<float> source, ArrayView<float> target, int offset)
    {
        Float4 value = Vector16.LoadFloat4(source, offset);
        Vector16.StoreFloat4(target, 4, new Float4(value.W, value.Z, value.Y, value.X));
    }

    [Fact]
    public void Vector16_LoadAndStore_MovesFourFloats()
    {
        using var source = emulator.Buffer(1f, 2, 3, 4, 5, 6, 7, 8);
        using var target = emulator.Zeros<float>(8);
        var kernel = emulator.Accelerator.LoadStreamKernel<ArrayView<float>, ArrayView<float>, int>(Vectors);
        kernel((1, 1), source.View, target.View, 4);
        Assert.Equal([0f, 0, 0, 0, 8, 7, 6, 5], target.GetAsArray1D());
        Assert.Contains("multiple of 16", Assert.Throws<KernelException>(() => kernel((1, 1), source.View, target.View, 3)).Message, StringComparison.Ordinal);
    }

    private static void Copies(ArrayView<float> source, ArrayView<float> target, int wait)
    {
        ArrayView<float> shared = SharedMemory.Allocate<float>(12);
        AsyncCopy.Copy16(shared, 0, source, 0);
        AsyncCopy.Commit();
        AsyncCopy.Copy16(shared, 4, source, 4);
        AsyncCopy.Copy16(shared, 8, source, 0, inside: false);
        AsyncCopy.Commit();
        AsyncCopy.Wait(wait);
        for (int i = 0; i < 12; i++) target[i] = shared[i];
    }

    [Fact]
    public void AsyncCopy_WaitForAllButOne_LeavesTheLastGroupOut()
    {
        using var source = emulator.Buffer(1f, 2, 3, 4, 5, 6, 7, 8);
        using var target = emulator.Zeros<float>(12);
        var kernel = emulator.Accelerator.LoadStreamKernel<ArrayView<float>, ArrayView<float>, int>(Copies);
        kernel((1, 1), source.View, target.View, 1);
        Assert.Equal([1f, 2, 3, 4], target.GetAsArray1D()[..4]);
        Assert.All(target.GetAsArray1D()[4..], value => Assert.Equal(float.NaN, value));
        kernel((1, 1), source.View, target.View, 0);
        Assert.Equal([1f, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0], target.GetAsArray1D());
    }

    // The fragments are filled from the layout that the PTX ISA prints, one element after the other, and the sums are taken apart by it.
    private static void Product(ArrayView<Bf16> a, ArrayView<Bf16> b, ArrayView<float> c, int half)
    {
        int g = Warp.LaneIdx / 4, t = Warp.LaneIdx % 4;
        FragmentA left = default;
        left.R0 = Pair(a[g * 16 + t * 2], a[g * 16 + t * 2 + 1]);
        left.R1 = Pair(a[(g + 8) * 16 + t * 2], a[(g + 8) * 16 + t * 2 + 1]);
        left.R2 = Pair(a[g * 16 + t * 2 + 8], a[g * 16 + t * 2 + 9]);
        left.R3 = Pair(a[(g + 8) * 16 + t * 2 + 8], a[(g + 8) * 16 + t * 2 + 9]);
        FragmentB right = default;
        right.R0 = Pair(b[t * 2 * 8 + g], b[(t * 2 + 1) * 8 + g]);
        right.R1 = Pair(b[(t * 2 + 8) * 8 + g], b[(t * 2 + 9) * 8 + g]);
        FragmentC sum = default;
        sum.R0 = c[g * 8 + t * 2];
        sum.R1 = c[g * 8 + t * 2 + 1];
        sum.R2 = c[(g + 8) * 8 + t * 2];
        sum.R3 = c[(g + 8) * 8 + t * 2 + 1];
        sum = half != 0 ? TensorCore.MultiplyAddF16(left, right, sum) : TensorCore.MultiplyAddBf16(left, right, sum);
        c[g * 8 + t * 2] = sum.R0;
        c[g * 8 + t * 2 + 1] = sum.R1;
        c[(g + 8) * 8 + t * 2] = sum.R2;
        c[(g + 8) * 8 + t * 2 + 1] = sum.R3;
    }

    private static uint Pair(Bf16 low, Bf16 high) => low.Bits | (uint)high.Bits << 16;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void MultiplyAdd_FragmentsAsDocumented_IsTheMatrixProduct(bool half)
    {
        float[] a = EmulatorFixture.Random(1, 256), b = EmulatorFixture.Random(2, 128), c = EmulatorFixture.Random(3, 128);
        Bf16[] bitsA = [.. a.Select(x => Bits(x, half))], bitsB = [.. b.Select(x => Bits(x, half))];
        using var bufferA = emulator.Buffer(bitsA);
        using var bufferB = emulator.Buffer(bitsB);
        using var bufferC = emulator.Buffer(c);
        emulator.Accelerator.LoadStreamKernel<ArrayView<Bf16>, ArrayView<Bf16>, ArrayView<float>, int>(Product)(
            (1, 32), bufferA.View, bufferB.View, bufferC.View, half ? 1 : 0);

        var expected = new double[128];
        for (int m = 0; m < 16; m++)
            for (int n = 0; n < 8; n++)
                expected[m * 8 + n] = c[m * 8 + n] + Enumerable.Range(0, 16).Sum(k => Value(bitsA[m * 16 + k], half) * Value(bitsB[k * 8 + n], half));
        EmulatorFixture.AssertClose(expected, bufferC.GetAsArray1D(), 1e-6);
    }

    private static Bf16 Bits(float value, bool half) => half ? Bf16.FromBits(BitConverter.HalfToUInt16Bits((System.Half)value)) : Bf16.FromFloat(value);
    private static double Value(Bf16 bits, bool half) => half ? (double)BitConverter.UInt16BitsToHalf(bits.Bits) : Bf16.ToFloat(bits);

    private static void MatrixLoads(ArrayView<uint> results)
    {
        ArrayView<ushort> shared = SharedMemory.Allocate<ushort>(256);
        int lane = Warp.LaneIdx;
        for (int i = 0; i < 8; i++) shared[lane * 8 + i] = (ushort)(lane * 8 + i);
        Group.Barrier();
        FragmentA four = TensorCore.LoadMatrix4(shared, lane * 8), turned = TensorCore.LoadMatrix4Transposed(shared, lane * 8);
        FragmentB two = TensorCore.LoadMatrix2(shared, lane % 16 * 8);
        results[lane * 6] = four.R0;
        results[lane * 6 + 1] = four.R3;
        results[lane * 6 + 2] = turned.R0;
        results[lane * 6 + 3] = turned.R2;
        results[lane * 6 + 4] = two.R0;
        results[lane * 6 + 5] = two.R1;
    }

    [Fact]
    public void LoadMatrix_RowsByLane_GivesTheDocumentedElements()
    {
        using var results = emulator.Zeros<uint>(32 * 6);
        emulator.Accelerator.LoadStreamKernel<ArrayView<uint>>(MatrixLoads)((1, 32), results.View);
        uint[] actual = results.GetAsArray1D();
        for (int lane = 0; lane < 32; lane++)
        {
            int g = lane / 4, t = lane % 4 * 2;
            uint[] expected = [Two(0, g, t, g, t + 1), Two(3, g, t, g, t + 1), Two(0, t, g, t + 1, g), Two(2, t, g, t + 1, g), Two(0, g, t, g, t + 1), Two(1, g, t, g, t + 1)];
            Assert.Equal(expected, actual[(lane * 6)..(lane * 6 + 6)]);
        }

        static uint Two(int matrix, int row0, int column0, int row1, int column1) =>
            (uint)(matrix * 64 + row0 * 8 + column0) | (uint)(matrix * 64 + row1 * 8 + column1) << 16;
    }
}
