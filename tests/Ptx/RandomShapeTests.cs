using FsCheck;
using FsCheck.Fluent;

namespace OllmNative.Tests.Ptx;

/// <summary>
/// The kernels of the catalog on random shapes, odd ones included: in the emulator (with its race check) and as interpreted PTX, both
/// against plain C#. What is checked for a shape is what <see cref="KernelTests"/> and <see cref="PtxKernelTests"/> check for theirs.
/// </summary>
public sealed class RandomShapeTests(EmulatorFixture emulator) : IClassFixture<EmulatorFixture>
{
    private readonly KernelTests _emulated = new(emulator);
    private readonly KernelMatMulTests _products = new(emulator);
    private readonly PtxKernelTests _interpreted = new();

    [Fact]
    public void Embedding_AnyShape_Agrees() => ForAny(12, (12, 90, 20), shape =>
    {
        _emulated.Embedding_RandomTokens_GathersAndScatters(shape.A, shape.B, shape.C);
        _interpreted.Embedding_RandomTokens_GathersAndScatters(shape.A, shape.B, shape.C);
    });

    [Fact]
    public void RmsNorm_AnyShape_Agrees() => ForAny(6, (3, 700, 1), shape =>
    {
        _emulated.RmsNorm_RandomRows_AgreesForwardAndBackward(shape.A, shape.B);
        _interpreted.RmsNorm_RandomRows_AgreesForwardAndBackward(shape.A, shape.B);
    });

    [Fact]
    public void Rope_AnyShape_Agrees() => ForAny(12, (9, 4, 12), shape =>
    {
        _emulated.Rope_RandomHeads_TurnsAndTurnsBack(shape.A, shape.B, 2 * shape.C);
        _interpreted.Rope_RandomHeads_TurnsAndTurnsBack(shape.A, shape.B, 2 * shape.C);
    });

    [Fact]
    public void Elementwise_AnyCount_Agrees() => ForAny(12, (900, 1, 1), shape =>
    {
        _emulated.SwiGlu_RandomValues_AgreesForwardAndBackward(shape.A);
        _interpreted.Elementwise_RandomValues_AgreeForwardAndBackward(shape.A);
    });

    [Fact]
    public void Softmax_AnyShape_Agrees() => ForAny(6, (3, 700, 1), shape =>
    {
        _emulated.Softmax_RandomRows_AgreesForwardAndBackward(shape.A, shape.B);
        _interpreted.Softmax_RandomRows_AgreesForwardAndBackward(shape.A, shape.B);
    });

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void MatMul_AnyShape_Agrees(int version) => ForAny(4, (70, 70, 40), shape =>
    {
        _products.MatMul_LayerOfOddSizes_GivesAllThreeProducts(version, shape.A, shape.B, shape.C);
        _interpreted.MatMul_LayerOfOddSizes_GivesAllThreeProducts(version, shape.A, shape.B, shape.C);
    });

    [Fact]
    public void MatMulBf16_AnyShape_Agrees() => ForAny(4, (80, 80, 9), shape =>
    {
        _products.MatMulBf16_OddSizes_IsTheProductOfTheRoundedInputs(shape.A, shape.B, 8 * shape.C);
        _interpreted.MatMulBf16_OddSizes_IsTheProductOfTheRoundedInputs(shape.A, shape.B, 8 * shape.C);
    });

    /// <summary>Shapes of 1 to the given sizes; FsCheck prints the one that fails, made as small as it gets.</summary>
    private static void ForAny(int tests, (int A, int B, int C) most, Action<(int A, int B, int C)> check)
    {
        Arbitrary<(int A, int B, int C)> shapes = Arb.From(
            from a in Gen.Choose(1, most.A) from b in Gen.Choose(1, most.B) from c in Gen.Choose(1, most.C) select (A: a, B: b, C: c),
            shape => new[] { (shape.A / 2, shape.B, shape.C), (shape.A, shape.B / 2, shape.C), (shape.A, shape.B, shape.C / 2), (shape.A, shape.B - 1, shape.C) }
                .Where(smaller => smaller.Item1 > 0 && smaller.Item2 > 0 && smaller.Item3 > 0));
        Check.One(Config.QuickThrowOnFailure.WithMaxTest(tests), Prop.ForAll(shapes, shape =>
        {
            check(shape);
            return true;
        }));
    }
}
