using System.Globalization;
using OllmNative.Runtime.Compiler;
using OllmNative.Runtime.Compiler.Ptx;
using OllmNative.Runtime.Language;

namespace OllmNative.Runtime.Cuda;

/// <summary>Where the kernels of an accelerator came from.</summary>
/// <param name="Compiled">Translated from IL in this process.</param>
/// <param name="TextsFound">Whose PTX was in the cache.</param>
/// <param name="Assembled">Whose machine code the driver made from PTX.</param>
/// <param name="ImagesFound">Whose machine code was in the cache.</param>
public readonly record struct KernelLoadCounts(int Compiled, int TextsFound, int Assembled, int ImagesFound);

/// <summary>
/// Methods to loaded functions, by way of the cache: IL and options give PTX, PTX and driver give machine code. Both steps are looked up
/// first, so that a second start of a program neither compiles nor assembles.
/// </summary>
internal sealed class KernelLoader(CudaAccelerator accelerator, KernelCache cache)
{
    private readonly PtxTarget _target = CudaTarget.For(accelerator.Architecture.Major, accelerator.Architecture.Minor, accelerator.Device.DriverNumber)!.Value;
    private readonly bool _hopper =
        CudaTarget.HasHopperExtensions(accelerator.Architecture.Major, accelerator.Architecture.Minor, accelerator.Device.DriverNumber);
    private readonly ModuleLoader _modules = new(accelerator, cache);
    private int _compiled, _textsFound, _loading;

    public KernelLoadCounts Counts => new(_compiled, _textsFound, _modules.Assembled, _modules.ImagesFound);

    /// <summary>Whether a kernel is being made ready.</summary>
    public bool IsLoading => Volatile.Read(ref _loading) > 0;

    /// <summary>Makes a kernel ready.</summary>
    /// <param name="entry">The method, and how it is launched.</param>
    /// <param name="constants">Values of the parameters that are compiled in, by number.</param>
    /// <param name="parameters">The layout that launches will have.</param>
    /// <exception cref="KernelCompileException">The method is outside of the kernel language.</exception>
    /// <exception cref="CudaException">The driver does not take the module.</exception>
    public CudaFunction Load(KernelEntry entry, IReadOnlyDictionary<int, object> constants, ParameterLayout parameters)
    {
        accelerator.Bind();
        Interlocked.Increment(ref _loading);
        try
        {
            KernelText text = Text(entry, constants);
            if (text.ParameterCount != parameters.Passed)
                throw new KernelException($"kernel {entry.Name}: compiled with {text.ParameterCount} parameters, launched with {parameters.Passed}");
            return new CudaFunction(accelerator, entry, text.EntryPoint, _modules.Load(entry.Name, text.Ptx));
        }
        finally
        {
            Interlocked.Decrement(ref _loading);
        }
    }

    private KernelText Text(KernelEntry entry, IReadOnlyDictionary<int, object> constants)
    {
        var options = new KernelCompileOptions
        {
            Target = _target,
            ImplicitIndex = entry.IsIndexed,
            Specializations = constants,
            MaxThreads = entry.Specialization.MaxNumThreadsPerGroup,
            MinGroups = entry.Specialization.MinNumGroupsPerMultiprocessor,
        };
        string key = KernelKey.OfMethod(entry, options, _hopper);
        if (KernelText.Parse(cache.Read(key, KernelCache.Text)) is { } known)
        {
            _textsFound++;
            return known;
        }
        CompiledKernel compiled = Compile(entry, options);
        _compiled++;
        var text = new KernelText(compiled.Name, compiled.Parameters.Count, compiled.Ptx);
        cache.Write(key, KernelCache.Text, text.ToBytes());
        return text;
    }

    private CompiledKernel Compile(KernelEntry entry, KernelCompileOptions options)
    {
        try
        {
            return KernelCompiler.Compile(entry.Method, options);
        }
        catch (KernelCompileException error) when (_hopper && error.Needs == PtxTarget.Sm90a)
        {
            return KernelCompiler.Compile(entry.Method, options with { Target = PtxTarget.Sm90a });
        }
        catch (KernelCompileException error) when (!_hopper && error.Needs == PtxTarget.Sm90a)
        {
            throw new KernelException($"kernel {entry.Name} is made for compute capability 9.0; {accelerator.Name} has "
                + string.Create(CultureInfo.InvariantCulture, $"{accelerator.Architecture.Major}.{accelerator.Architecture.Minor}: {error.Message}"), error);
        }
    }
}

/// <summary>What the cache keeps of a compiled kernel.</summary>
internal sealed record KernelText(string EntryPoint, int ParameterCount, string Ptx)
{
    public byte[] ToBytes()
    {
        using var memory = new MemoryStream();
        using var writer = new BinaryWriter(memory);
        writer.Write(EntryPoint);
        writer.Write(ParameterCount);
        writer.Write(Ptx);
        writer.Flush();
        return memory.ToArray();
    }

    /// <summary>Null for what is no kernel.</summary>
    public static KernelText? Parse(byte[]? bytes)
    {
        if (bytes is null) return null;
        try
        {
            using var reader = new BinaryReader(new MemoryStream(bytes));
            return new KernelText(reader.ReadString(), reader.ReadInt32(), reader.ReadString());
        }
        catch (Exception error) when (error is IOException or FormatException)
        {
            return null;
        }
    }
}
