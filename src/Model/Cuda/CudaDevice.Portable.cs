#if ILGPU
using ILGPU.Runtime;

namespace OllmNative.Model.Cuda;

/// <summary>The ILGPU build knows neither bf16 nor tensor cores, so every product takes the portable kernels.</summary>
public sealed partial class CudaDevice
{
    private static void TensorForward(ProductKernel kernel, Words input, in Weights w, Floats bias, Floats c, int rows, bool accumulate) => throw NoTensorCores();

    private static void TensorInput(ProductKernel kernel, Words dy, in Weights w, Floats scale, Floats c, int rows, bool accumulate) => throw NoTensorCores();

    private static void TensorWeight(ProductKernel kernel, DeviceView<float> dy, DeviceView<float> x, Floats c, int rows, int columns, int terms) => throw NoTensorCores();

    private static bool HalfProduct(DeviceView<float> x, in Weights w, Floats bias, Floats c, int rows, bool accumulate) => false;

    private static bool HasFewOutputs(CudaMatrix m, int rows) => false;

    private static void FewOutputsProduct(DeviceView<float> x, CudaMatrix w, DeviceView<float> bias, DeviceView<float> output, int rows, bool silu) => throw NoTensorCores();

    private static void FewOutputsWeight(DeviceView<float> dy, DeviceView<float> x, CudaMatrix dW, int rows) => throw NoTensorCores();

    private static Words InBf16(DeviceView<float> view) => throw NoTensorCores();

    private static bool FewRowsOfWords(DeviceView<float> x, in Weights w, Floats bias, Floats c, int rows, bool accumulate) => false;

    private static void RopeToCacheBf16(
        DeviceView<float> q, DeviceView<float> k, DeviceView<float> v, DeviceView<int> positions, DeviceView<float> cosSin, DeviceView<int> cacheRows,
        CacheView keys, CacheView values, in Kernels.RopeToCacheShape shape) => throw NoTensorCores();

    private static void AttentionBf16(
        DeviceView<float> q, CacheView keys, CacheView values, ReadOnlySpan<SequenceSpan> sequences, DeviceView<float> output, Kernels.AttentionShape shape) => throw NoTensorCores();

    private static void HeadOnTensorCores(
        DeviceView<float> x, in Weights w, DeviceView<int> targets, DeviceView<float> loss, DeviceView<int> prediction, DeviceView<float> gradient) => throw NoTensorCores();

    private static Weights ForGradient(in Weights w) => w;

    private static Words ShadowOf(CudaMatrix m) => throw NoTensorCores();

    private static void ForgetRecordings() { }

    private static void OpenTransfers() { }

    private static void CloseTransfers() { }

    private static bool TensorFewRows(DeviceView<float> x, CudaMatrix m, Floats bias, Floats output, int rows, bool accumulate) => false;

    /// <inheritdoc/>
    public override void SampleTokens(DeviceView<float> logits, DeviceView<int> rows, DeviceView<float> knobs, DeviceView<int> seen, DeviceView<int> picked, int columns) =>
        throw new NotSupportedException("the ILGPU build samples on the host");

    private static NotSupportedException NoTensorCores() => new("the ILGPU build has no tensor-core kernels");
}
#endif
