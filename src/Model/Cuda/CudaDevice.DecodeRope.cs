#if !ILGPU
using OllmNative.Kernels;
using OllmNative.Runtime.Extensions;
using OllmNative.Runtime.Language;

namespace OllmNative.Model.Cuda;

/// <summary>A decoding layer's first launch: norm, q, k, v, rotary positions and the cache.</summary>
public sealed partial class CudaDevice
{
    private readonly Action<Queue, Launch, Floats, Floats, DecodeMatrix, DecodeMatrix, DecodeMatrix, DecodeCache, DecodeShape>?[] _decodeRope = new Action<Queue, Launch, Floats, Floats, DecodeMatrix, DecodeMatrix, DecodeMatrix, DecodeCache, DecodeShape>?[4];

    // The cache whose last rows the launch before has written, and how many: attention may read the rows before those ahead of its wait.
    private (object? Buffer, long Offset, int Rows) _turned;

    /// <inheritdoc/>
    public override bool NormRopeToCache(
        DeviceView<float> x, DeviceView<float> gain, float eps, in Projection q, in Projection k, in Projection v, DeviceView<int> positions,
        DeviceView<float> cosSin, DeviceView<int> cacheRows, CacheView keys, CacheView values, int headSize)
    {
        int rows = checked((int)positions.Length);
        (var wq, var wk, var wv) = ((CudaMatrix)q.W, (CudaMatrix)k.W, (CudaMatrix)v.W);
        if (rows < 1 || rows > MostFewRows || !keys.IsBf16 || !CacheView.IsBf16Head(headSize) || x.Length != rows * gain.Length || gain.Offset % 4 != 0) return false;
        foreach (CudaMatrix m in (ReadOnlySpan<CudaMatrix>)[wq, wk, wv])
            if (m.Columns != gain.Length || m.IsBytes != wq.IsBytes || m.Rows % headSize != 0 || !ForDecoding(m, x.Offset)) return false;
        DecodeShape shape = Shape(rows, wq.Columns);
        shape.Epsilon = eps;
        int version = Version(rows, wq);
        var launch = _decodeRope[version] ??= _accelerator.LoadKernel<Floats, Floats, DecodeMatrix, DecodeMatrix, DecodeMatrix, DecodeCache, DecodeShape>(version switch
        {
            0 => DecodeRope.Eight, 1 => DecodeRope.Sixteen, 2 => DecodeRope.EightBytes, _ => DecodeRope.SixteenBytes,
        });
        var cache = new DecodeCache
        {
            Positions = In(positions), Rows = In(cacheRows), CosSin = In(cosSin), Keys = Out(keys.Words).Cast<Bf16>(), Values = Out(values.Words).Cast<Bf16>(),
            HalfBits = System.Numerics.BitOperations.Log2((uint)headSize / 2),
        };
        launch(
            _queue, DecodeRope.Config(wq.Rows, wk.Rows), In(x), In(gain), Operand(wq, In(q.Bias), Out(q.Output)), Operand(wk, In(k.Bias), default),
            Operand(wv, In(v.Bias), default), cache, shape);
        _turned = (keys.Words.Buffer, keys.Words.Offset, rows);
        return true;
    }
}
#endif
