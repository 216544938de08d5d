namespace OllmNative.Cli.Trials;

/// <summary>Kernels without a trial of their own, each with the operation of the device's self-test that launches it: they mean little by themselves.</summary>
internal static class ThroughOperations
{
    /// <summary>Kernel, operation, and whether that is with tensor cores.</summary>
    public static IReadOnlyDictionary<string, (string Operation, bool TensorCores)> All { get; } = new Dictionary<string, (string, bool)>
    {
        ["Attention1"] = ("Attention, head size 160, decoding", true),
        ["Attention2"] = ("Attention, head size 24, prompts", true),
        ["AttentionCombine"] = ("Attention, head size 64, decoding", true),
        ["DequantizeFloatRows"] = ("MatMul int8 of BF16, 17-40 rows", false),
        ["DequantizeRows"] = ("MatMul int8 of BF16, 17-40 rows", true),
        ["FillRows"] = ("MatMul F16, 9-90 rows", true),
        ["MatMulFewBf16Rows1"] = ("MatMul BF16, 1-1 rows", false),
        ["MatMulFewBf16Rows2"] = ("MatMul BF16, 2-8 rows", false),
        ["MatMulFewBf16Rows3"] = ("MatMul BF16, 2-8 rows", false),
        ["MatMulFewF16Rows"] = ("MatMul F16, 2-8 rows", false),
        ["MatMulFewF32Rows1"] = ("MatMul F32, 1-1 rows", false),
        ["MatMulFewF32Rows2"] = ("MatMul F32, 2-8 rows", false),
        ["MatMulWords1"] = ("MatMul BF16, 2-8 rows, odd sizes, added", false),
        ["MatMulWords2"] = ("MatMul BF16, 9-90 rows, odd sizes, added", false),
        ["NormGateUp1"] = ("NormGateUp, 1-1 rows", false),
        ["NormGateUp2"] = ("NormGateUp, 2-4 rows", false),
        ["NormGateUp3"] = ("NormGateUp, 5-8 rows", false),
        ["NormProducts1"] = ("NormMatMulEach, 1-1 rows", false),
        ["NormProducts2"] = ("NormMatMulEach, 2-4 rows", false),
        ["NormProducts3"] = ("NormMatMulEach, 5-8 rows", false),
        ["QuantizeFloatRows"] = ("MatMul int8 of F32, 1-1 rows", true),
        ["RopeHeads"] = ("Rope", true),
        ["RopeToCache"] = ("RopeToCache", true),
        ["ScatterRows"] = ("ScatterRows", true),
    };
}
