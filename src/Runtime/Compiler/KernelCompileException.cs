using OllmNative.Runtime.Compiler.Ptx;

namespace OllmNative.Runtime.Compiler;

/// <summary>A kernel uses something that the kernel language does not have, or that the compiler cannot translate.</summary>
public sealed class KernelCompileException : Exception
{
    /// <summary>Where and what.</summary>
    /// <param name="reason">What is not allowed, and what to write instead where that is known.</param>
    /// <param name="method">The method with the construct; the kernel itself or one that it calls.</param>
    /// <param name="ilOffset">Byte offset in that method's IL; -1 when the method as a whole is meant.</param>
    /// <param name="source">"file:line" when symbols are there.</param>
    public KernelCompileException(string reason, string method, int ilOffset, string? source)
        : base($"{method}{(ilOffset >= 0 ? $", IL offset 0x{ilOffset:x4}" : "")}{(source is null ? "" : $" ({source})")}: {reason}")
    {
        Method = method;
        IlOffset = ilOffset;
        SourceLocation = source;
    }

    /// <summary>The method with the construct.</summary>
    public string Method { get; }

    /// <summary>Byte offset in the method's IL, or -1.</summary>
    public int IlOffset { get; }

    /// <summary>"file:line", or null without symbols.</summary>
    public string? SourceLocation { get; }

    /// <summary>The oldest target that has the construct, where that is what stands against it.</summary>
    public PtxTarget? Needs { get; internal set; }
}
