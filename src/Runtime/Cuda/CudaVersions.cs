using System.Globalization;

namespace OllmNative.Runtime.Cuda;

/// <summary>The CUDA version that a driver supports.</summary>
/// <param name="Major">First number.</param>
/// <param name="Minor">Second number.</param>
public readonly record struct CudaDriverVersion(int Major, int Minor)
{
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Major}.{Minor}");
}

/// <summary>A compute capability.</summary>
/// <param name="Major">First digit.</param>
/// <param name="Minor">Second digit.</param>
public readonly record struct CudaArchitecture(int Major, int Minor)
{
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"SM_{Major}{Minor}");
}
