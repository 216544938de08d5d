using System.Reflection;
using OllmNative.Runtime.Compiler.Ir;
using OllmNative.Runtime.Compiler.Ptx;

namespace OllmNative.Runtime.Compiler;

/// <summary>What to compile for, and how.</summary>
public sealed record KernelCompileOptions
{
    /// <summary>The GPU generation.</summary>
    public PtxTarget Target { get; init; } = PtxTarget.Sm80;

    /// <summary>
    /// Whether a * b + c of floats becomes one fused operation, as CUDA compilers do: one rounding instead of two. Without it results
    /// equal .NET's bit for bit, apart from the approximated functions.
    /// </summary>
    public bool FuseMultiplyAdd { get; init; } = true;

    /// <summary>
    /// Whether 64-bit floating-point arithmetic may be left in a kernel whose signature mentions no double. It is 1/32 to 1/64 as fast as
    /// 32-bit on most GPUs and usually an accident (a literal without f, Math instead of MathF).
    /// </summary>
    public bool AllowDouble { get; init; }

    /// <summary>Values of SpecializedValue parameters by position; they become constants.</summary>
    public IReadOnlyDictionary<int, object> Specializations { get; init; } = new Dictionary<int, object>();

    /// <summary>
    /// Whether the first parameter (Index1D to Index3D, or a long form) is the thread's global index: the kernel then gets its extent there
    /// and threads past it end at once.
    /// </summary>
    public bool ImplicitIndex { get; init; }

    /// <summary>Largest group that will be launched, for the register allocation; null leaves it open.</summary>
    public int? MaxThreads { get; init; }

    /// <summary>Groups of the largest size that a multiprocessor must be able to hold at once; needs <see cref="MaxThreads"/>.</summary>
    public int? MinGroups { get; init; }
}

/// <summary>One scalar that the entry point takes, in order: a view is address and length, a struct each of its scalars.</summary>
/// <param name="Name">Parameter name with the path into it.</param>
/// <param name="Type">i8, u8, i16, u16, i32, i64, f32, f64 or ptr.</param>
public sealed record KernelParameter(string Name, string Type);

/// <summary>A kernel as PTX.</summary>
/// <param name="Name">The entry point's name.</param>
/// <param name="Method">The C# method.</param>
/// <param name="Target">What it was compiled for.</param>
/// <param name="Ptx">The module's text.</param>
/// <param name="Options">How it was compiled.</param>
/// <param name="Parameters">What to pass at a launch.</param>
/// <param name="SharedBytes">Static shared memory of a group.</param>
/// <param name="UsesDynamicShared">Whether a launch must say how much dynamic shared memory a group gets.</param>
public sealed record CompiledKernel(
    string Name, MethodInfo Method, PtxTarget Target, string Ptx, KernelCompileOptions Options, IReadOnlyList<KernelParameter> Parameters, int SharedBytes, bool UsesDynamicShared)
{
    /// <summary>The optimised intermediate representation as text. Compiles again: a launch has no use for it.</summary>
    public string Ir => IrPrinter.Print(KernelCompiler.Optimise(Method, Options));
}
