using System.Runtime.InteropServices;
using System.Text;

namespace OllmNative.Runtime.Cuda;

/// <summary>PTX to modules of the driver, by way of the machine code in the cache.</summary>
internal sealed unsafe class ModuleLoader(CudaAccelerator accelerator, KernelCache cache)
{
    private readonly ICudaApi _api = accelerator.Api;

    /// <summary>How often the driver made machine code.</summary>
    public int Assembled { get; private set; }

    /// <summary>How often it was in the cache.</summary>
    public int ImagesFound { get; private set; }

    /// <summary>A new module. The context is current.</summary>
    /// <exception cref="CudaException">The driver does not take it; the text has what its compiler said.</exception>
    public nint Load(string kernel, string ptx)
    {
        string key = KernelKey.OfImage(ptx, accelerator.Architecture, accelerator.Device.DriverNumber);
        if (cache.Read(key, KernelCache.Image) is { } known && LoadImage(known) is var found && found != 0)
        {
            ImagesFound++;
            return found;
        }
        byte[] text = Encoding.ASCII.GetBytes(ptx + '\0');
        Assembled++;
        // Linking gives the machine code into our hands. Where that does not work, for whatever reason, the plain way says why.
        if (cache.IsEnabled && Assemble(text) is { } image && LoadImage(image) is var module && module != 0)
        {
            cache.Write(key, KernelCache.Image, image);
            return module;
        }
        return LoadText(kernel, text);
    }

    private nint LoadImage(byte[] image)
    {
        fixed (byte* data = image)
            return _api.ModuleLoadDataEx(out nint module, data, 0, null, null) == CuResult.Success ? module : 0;
    }

    private byte[]? Assemble(byte[] text)
    {
        if (_api.LinkCreate(0, null, null, out nint state) != CuResult.Success) return null;
        try
        {
            fixed (byte* data = text)
            {
                fixed (byte* name = "kernel"u8)
                {
                    if (_api.LinkAddData(state, JitInput.Ptx, data, (nuint)text.Length, name, 0, null, null) != CuResult.Success) return null;
                }
            }
            // The image belongs to the linker's state; it is copied before that goes.
            return _api.LinkComplete(state, out nint cubin, out nuint bytes) == CuResult.Success ? new ReadOnlySpan<byte>((void*)cubin, (int)bytes).ToArray() : null;
        }
        finally
        {
            _ = _api.LinkDestroy(state);
        }
    }

    private nint LoadText(string kernel, byte[] text)
    {
        const int logBytes = 16384;
        byte* log = (byte*)NativeMemory.AllocZeroed(logBytes);
        try
        {
            JitOption* options = stackalloc JitOption[] { JitOption.ErrorLogBuffer, JitOption.ErrorLogBufferSizeBytes };
            nint* values = stackalloc nint[] { (nint)log, logBytes };
            CuResult status;
            nint module;
            fixed (byte* data = text) status = _api.ModuleLoadDataEx(out module, data, 2, options, values);
            if (status == CuResult.Success) return module;
            throw accelerator.Failure("cuModuleLoadDataEx", status, Explain(kernel, status, log, logBytes));
        }
        finally
        {
            NativeMemory.Free(log);
        }
    }

    private static string Explain(string kernel, CuResult status, byte* log, int logBytes)
    {
        string hint = status switch
        {
            CuResult.UnsupportedPtxVersion => "; the driver is too old for its PTX",
            CuResult.JitCompilerNotFound => "; the driver's PTX compiler (libnvidia-ptxjitcompiler.so.1) is missing: install the whole driver",
            _ => "",
        };
        var said = new ReadOnlySpan<byte>(log, logBytes);
        int end = said.IndexOf((byte)0);
        string text = Encoding.UTF8.GetString(end < 0 ? said : said[..end]).Trim();
        return $"kernel {kernel}{hint}{(text.Length > 0 ? $"; the driver's compiler says:\n{text}" : "")}";
    }
}
