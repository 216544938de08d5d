namespace OllmNative.Runtime.Cuda;

/// <summary>Descriptions of matrices for the tensor copies of Hopper, in the driver's own form.</summary>
internal static unsafe class TensorMapEncoder
{
    // CUtensorMapDataType, by size alone: a copy does not look at the values. Boxes beyond the edge are filled with zeros.
    private const int Bytes1 = 0, Bytes2 = 1, Bytes4 = 2, Bytes8 = 4;
    private const int NoInterleave = 0, PromoteTo128Bytes = 2, FillZeros = 0;

    /// <summary>Encodes a matrix [height, width] whose rows are <paramref name="pitch"/> bytes apart.</summary>
    /// <param name="accelerator">Where it lies.</param>
    /// <param name="address">Of the first element; a multiple of 16.</param>
    /// <param name="elementSize">1, 2, 4 or 8 bytes.</param>
    /// <param name="width">Elements of a row.</param>
    /// <param name="height">Rows.</param>
    /// <param name="pitch">Bytes; a multiple of 16.</param>
    /// <param name="boxWidth">Columns that one copy takes, at most 256.</param>
    /// <param name="boxHeight">Rows that one copy takes, at most 256.</param>
    /// <param name="swizzle">CUtensorMapSwizzle: 0 none, 1 to 3 for 32, 64 and 128 bytes.</param>
    /// <exception cref="CudaException">The hardware cannot copy so.</exception>
    public static TensorMapBits Encode(
        CudaAccelerator accelerator, nint address, int elementSize, long width, long height, long pitch, int boxWidth, int boxHeight, int swizzle)
    {
        const int rank = 2, alignment = 64;
        int type = elementSize switch { 1 => Bytes1, 2 => Bytes2, 4 => Bytes4, _ => Bytes8 };
        ulong* dimensions = stackalloc ulong[] { (ulong)width, (ulong)height };
        ulong* strides = stackalloc ulong[] { (ulong)pitch };
        uint* box = stackalloc uint[] { (uint)boxWidth, (uint)boxHeight };
        uint* elementStrides = stackalloc uint[] { 1, 1 };
        // The driver wants the map itself on a multiple of 64 bytes.
        byte* room = stackalloc byte[sizeof(TensorMapBits) + alignment];
        var map = (TensorMapBits*)(((nint)room + alignment - 1) / alignment * alignment);
        CuResult status = accelerator.Api.TensorMapEncodeTiled(
            map, type, rank, address, dimensions, strides, box, elementStrides, NoInterleave, swizzle, PromoteTo128Bytes, FillZeros);
        return status == CuResult.Success ? *map : throw accelerator.Failure("cuTensorMapEncodeTiled", status,
            $"boxes of {boxHeight} x {boxWidth} elements of {elementSize} bytes from a matrix of {height} x {width} at 0x{address:x}, rows {pitch} bytes apart, swizzle {swizzle}");
    }
}
