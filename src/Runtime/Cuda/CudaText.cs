using System.Globalization;

namespace OllmNative.Runtime.Cuda;

/// <summary>Numbers in messages.</summary>
internal static class CudaText
{
    /// <summary>Such as <c>1.5 GiB</c>.</summary>
    public static string Bytes(long bytes)
    {
        const double kibi = 1024;
        (double value, string unit) = bytes switch
        {
            >= 1L << 30 => (bytes / (kibi * kibi * kibi), "GiB"),
            >= 1L << 20 => (bytes / (kibi * kibi), "MiB"),
            >= 1L << 10 => (bytes / kibi, "KiB"),
            _ => (bytes, "bytes"),
        };
        return unit == "bytes" ? string.Create(CultureInfo.InvariantCulture, $"{bytes} bytes") : string.Create(CultureInfo.InvariantCulture, $"{value:F1} {unit}");
    }
}
