namespace OllmNative.Model;

/// <summary>
/// Keys or values of a cache, [rows, Hkv * Dh], as the device keeps them (<see cref="ComputeDevice.CacheType"/>): f32, or bf16 as 16-bit words.
/// </summary>
/// <param name="Floats">The f32 elements, or the default view.</param>
/// <param name="Words">The bf16 elements, or the default view.</param>
public readonly record struct CacheView(DeviceView<float> Floats, DeviceView<ushort> Words)
{
    /// <summary>Whether the elements are bf16.</summary>
    public bool IsBf16 => !Words.IsEmpty;

    /// <summary>Number of elements.</summary>
    public long Length => IsBf16 ? Words.Length : Floats.Length;

    /// <summary>f32 elements.</summary>
    public static implicit operator CacheView(DeviceView<float> floats) => new(floats, default);

    /// <summary>A part of this view.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The part does not lie inside.</exception>
    public CacheView Slice(long offset, long length) =>
        IsBf16 ? new(default, Words.Slice(offset, length)) : new(Floats.Slice(offset, length), default);

    /// <summary>Whether GPUs with tensor cores keep heads of this size as bf16: those that their attention kernels are made for.</summary>
    public static bool IsBf16Head(int headSize) => headSize is 64 or 128;

    /// <summary>Allocates zeroed elements in the device's type for this head size.</summary>
    public static (IDisposable Memory, CacheView View) Allocate(ComputeDevice device, int headSize, long length)
    {
        ArgumentNullException.ThrowIfNull(device);
        if (device.CacheType(headSize) == DType.BF16)
        {
            DeviceBuffer<ushort> words = device.Allocate<ushort>(length);
            return (words, new CacheView(default, words.View));
        }
        DeviceBuffer<float> floats = device.Allocate<float>(length);
        return (floats, floats.View);
    }
}
