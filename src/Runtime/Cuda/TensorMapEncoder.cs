using OllmNative.Runtime.Extensions;

namespace OllmNative.Runtime.Cuda;

/// <summary>Descriptions of matrices for the tensor copies of Hopper, in the driver's own form.</summary>
internal static unsafe class TensorMapEncoder
{
    // CUtensorMapDataType, by size alone: a copy does not look at the values. Boxes beyond the edge are filled with zeros.
    private const int Bytes1 = 0, Bytes2 = 1, Bytes4 = 2, Bytes8 = 4;
    private const int NoInterleave = 0, PromoteTo128Bytes = 2, FillZeros = 0;

    /// <summary>Encodes a map.</summary>
    /// <exception cref="CudaException">The hardware cannot copy so.</exception>
    public static TensorMapBits Encode(CudaAccelerator accelerator, in TensorMap source)
    {
        const int rank = 2, alignment = 64;
        int type = source.ElementSize switch { 1 => Bytes1, 2 => Bytes2, 4 => Bytes4, _ => Bytes8 };
        ulong* dimensions = stackalloc ulong[] { (ulong)source.Width, (ulong)source.Height };
        ulong* strides = stackalloc ulong[] { (ulong)source.PitchBytes };
        uint* box = stackalloc uint[] { (uint)source.BoxWidth, (uint)source.BoxHeight };
        uint* elementStrides = stackalloc uint[] { 1, 1 };
        // The driver wants the map itself on a multiple of 64 bytes.
        byte* room = stackalloc byte[sizeof(TensorMapBits) + alignment];
        var map = (TensorMapBits*)(((nint)room + alignment - 1) / alignment * alignment);
        accelerator.Bind();
        CuResult status = accelerator.Api.TensorMapEncodeTiled(
            map, type, rank, source.Address, dimensions, strides, box, elementStrides, NoInterleave, (int)source.Swizzle, PromoteTo128Bytes, FillZeros);
        return status == CuResult.Success ? *map : throw accelerator.Failure("cuTensorMapEncodeTiled", status,
            $"boxes of {source.BoxHeight} x {source.BoxWidth} elements of {source.ElementSize} bytes from a matrix of {source.Height} x {source.Width} "
            + $"at 0x{source.Address:x}, rows {source.PitchBytes} bytes apart, swizzle {source.Swizzle}");
    }
}
