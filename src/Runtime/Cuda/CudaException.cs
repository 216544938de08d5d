using System.Globalization;
using System.Runtime.InteropServices;

namespace OllmNative.Runtime.Cuda;

/// <summary>A call of the CUDA driver that failed: which one, what the driver says, and what was asked for.</summary>
public sealed class CudaException : Exception
{
    public CudaException() { }
    public CudaException(string message) : base(message) { }
    public CudaException(string message, Exception? innerException) : base(message, innerException) { }

    internal CudaException(string call, CuResult result, string message) : base(message)
    {
        Call = call;
        Result = result;
    }

    /// <summary>The driver's function, such as <c>cuMemAlloc</c>; empty where no call failed.</summary>
    public string Call { get; } = "";

    /// <summary>What it returned.</summary>
    public CuResult Result { get; }

    /// <summary>Whether a kernel has done it: read or written where nothing is, an instruction that the GPU does not have.</summary>
    public bool IsOfAKernel => Result.IsSticky() && Result is not (CuResult.Deinitialized or CuResult.ContextIsDestroyed or CuResult.EccUncorrectable or CuResult.NvlinkUncorrectable);

    /// <summary><c>cuMemAlloc: CUDA_ERROR_OUT_OF_MEMORY (out of memory): detail</c>.</summary>
    internal static CudaException Of(ICudaApi api, string call, CuResult result, string detail) =>
        new(call, result, $"{call}: {Describe(api, result)}{(detail.Length > 0 ? $": {detail}" : "")}");

    /// <summary>The driver's name and words for a code.</summary>
    internal static string Describe(ICudaApi api, CuResult result)
    {
        string number = ((int)result).ToString(CultureInfo.InvariantCulture);
        string name = api.GetErrorName(result, out nint text) == CuResult.Success && text != 0 ? Marshal.PtrToStringUTF8(text)! : $"error {number}";
        return api.GetErrorString(result, out text) == CuResult.Success && text != 0 ? $"{name} ({Marshal.PtrToStringUTF8(text)})" : name;
    }
}
