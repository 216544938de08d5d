using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using OllmNative.Runtime.Emulator;
using OllmNative.Runtime.Language;

namespace OllmNative.Runtime.Extensions;

/// <summary>Four floats, 16 bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct Float4
{
    public float X, Y, Z, W;

    public Float4(float x, float y, float z, float w)
    {
        X = x;
        Y = y;
        Z = z;
        W = w;
    }
}

/// <summary>Four 32-bit words, 16 bytes: eight bf16, or 16 bytes of anything.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct Word4
{
    public uint X, Y, Z, W;

    public Word4(uint x, uint y, uint z, uint w)
    {
        X = x;
        Y = y;
        Z = z;
        W = w;
    }
}

/// <summary>
/// Loads and stores of 16 bytes at once (PTX ld/st.v4.b32). The address must be a multiple of 16; the emulator throws otherwise.
/// </summary>
public static unsafe class Vector16
{
    /// <summary>Elements <paramref name="index"/> to index + 3.</summary>
    public static Float4 LoadFloat4(ArrayView<float> view, int index) => Cell<float, Float4>(view, index);

    public static void StoreFloat4(ArrayView<float> view, int index, Float4 value) => Cell<float, Float4>(view, index) = value;

    /// <summary>16 bytes from element <paramref name="index"/> on.</summary>
    public static Word4 LoadWords<T>(ArrayView<T> view, int index) where T : unmanaged => Cell<T, Word4>(view, index);

    /// <summary>As <see cref="LoadWords"/>, for data that is read once and that no kernel writes while this one runs. PTX: ld.global.nc.L1::no_allocate.</summary>
    public static Word4 LoadWordsOnce<T>(ArrayView<T> view, int index) where T : unmanaged => Cell<T, Word4>(view, index);

    public static void StoreWords<T>(ArrayView<T> view, int index, Word4 value) where T : unmanaged => Cell<T, Word4>(view, index) = value;

    /// <summary>The lower and upper bf16 of a word, as floats.</summary>
    public static float LowBf16(uint word) => BitConverter.UInt32BitsToSingle(word << 16);
    public static float HighBf16(uint word) => BitConverter.UInt32BitsToSingle(word & 0xffff0000);

    /// <summary>Two floats as bf16 in one word, the first in the lower half. PTX: cvt.rn.bf16x2.f32.</summary>
    public static uint PackBf16(float low, float high) => Bf16.FromFloat(low).Bits | (uint)Bf16.FromFloat(high).Bits << 16;

    private static ref TVector Cell<T, TVector>(ArrayView<T> view, int index) where T : unmanaged where TVector : unmanaged
    {
        ArrayView<TVector> vector = view.SubView(index, 16 / sizeof(T)).Cast<TVector>();
        if (vector.Address % 16 != 0)
            throw EmulatedThread.Error($"a 16-byte access at element {index} of {typeof(T).Name} is not on a multiple of 16 bytes");
        return ref vector[0];
    }
}
