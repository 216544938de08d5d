using OllmNative.Runtime.Language;

namespace OllmNative.Runtime.Extensions;

/// <summary>How a tile lies in shared memory. The values are those of the CUDA driver's CUtensorMapSwizzle.</summary>
public enum TensorSwizzle
{
    /// <summary>Rows one after the other.</summary>
    None = 0,

    /// <summary>Rows of 128 bytes whose 16-byte pieces are exchanged: bits 4 to 6 of an address are xored with bits 7 to 9.</summary>
    Bytes128 = 3,
}

/// <summary>
/// A matrix in global memory and the box that a tensor copy (TMA, sm_90) takes out of it: row y, column x is at address + y * pitch + x *
/// element size. A kernel parameter by value; on a GPU the driver's 128 bytes (cuTensorMapEncodeTiled) take its place.
/// </summary>
/// <param name="Address">Of the first element; a multiple of 16.</param>
/// <param name="ElementSize">Bytes of an element.</param>
/// <param name="Width">Elements of a row.</param>
/// <param name="Height">Rows.</param>
/// <param name="PitchBytes">From one row to the next; a multiple of 16.</param>
/// <param name="BoxWidth">Columns of the box; with a swizzle at most 128 bytes.</param>
/// <param name="BoxHeight">Rows of the box; at most 256.</param>
/// <param name="Swizzle">How the box lies in shared memory.</param>
public readonly record struct TensorMap(nint Address, int ElementSize, long Width, long Height, long PitchBytes, int BoxWidth, int BoxHeight, TensorSwizzle Swizzle)
{
    /// <summary>Bytes that one copy writes to shared memory, also where the box lies partly outside of the matrix.</summary>
    public int BoxBytes => BoxWidth * BoxHeight * ElementSize;

    /// <summary>A map of a dense [height, width] matrix.</summary>
    /// <param name="matrix">At least height * width elements.</param>
    /// <param name="width">Elements of a row; rows must be multiples of 16 bytes.</param>
    /// <param name="height">Rows.</param>
    /// <param name="boxWidth">Columns that a copy takes.</param>
    /// <param name="boxHeight">Rows that a copy takes.</param>
    /// <param name="swizzle">How the box lies in shared memory.</param>
    /// <exception cref="ArgumentException">The hardware cannot copy such a box.</exception>
    public static unsafe TensorMap Create<T>(ArrayView<T> matrix, long width, long height, int boxWidth, int boxHeight, TensorSwizzle swizzle) where T : unmanaged
    {
        if (width < 1 || height < 1 || width * height > matrix.Length) throw new ArgumentException($"a matrix of {height} rows of {width} in a view of {matrix.Length}");
        return new TensorMap(matrix.Address, sizeof(T), width, height, width * sizeof(T), boxWidth, boxHeight, swizzle).Checked();
    }

    private TensorMap Checked()
    {
        int rowBytes = BoxWidth * ElementSize;
        if (Address % 16 != 0 || PitchBytes % 16 != 0) throw new ArgumentException($"a tensor copy needs an address and rows on multiples of 16 bytes, not {Address} and {PitchBytes}");
        if (BoxWidth is < 1 or > 256 || BoxHeight is < 1 or > 256 || rowBytes % 16 != 0) throw new ArgumentException($"a box of {BoxHeight} rows of {rowBytes} bytes: at most 256 by 256 elements, in multiples of 16 bytes");
        if (Swizzle == TensorSwizzle.Bytes128 && rowBytes > 128) throw new ArgumentException($"a swizzled box has rows of at most 128 bytes, not {rowBytes}");
        return this;
    }
}
