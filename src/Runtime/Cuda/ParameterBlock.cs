using System.Reflection;
using System.Runtime.CompilerServices;
using OllmNative.Runtime.Compiler.Frontend;
using OllmNative.Runtime.Extensions;
using OllmNative.Runtime.Language;

namespace OllmNative.Runtime.Cuda;

/// <summary>Writes the arguments of a launch, scalar by scalar, into words on the launching thread's stack. Allocates nothing.</summary>
internal unsafe struct ParameterBlock(CudaAccelerator accelerator, ulong* words) : IArgumentSink
{
    private int _count;

    public void Add<T>(in T value) where T : struct
    {
        ref byte first = ref Unsafe.As<T, byte>(ref Unsafe.AsRef(in value));
        foreach (ArgumentLayout.Piece piece in ArgumentLayout<T>.Pieces)
        {
            ref byte at = ref Unsafe.AddByteOffset(ref first, piece.Offset);
            if (piece.Bytes > sizeof(ulong))
            {
                // The driver's own description of the matrix takes the place of ours.
                *(TensorMapBits*)(words + _count) = TensorMapEncoder.Encode(accelerator, Unsafe.As<byte, TensorMap>(ref at));
                _count += piece.Bytes / sizeof(ulong);
                continue;
            }
            words[_count++] = piece.Bytes switch
            {
                1 => at,
                2 => Unsafe.ReadUnaligned<ushort>(ref at),
                4 => Unsafe.ReadUnaligned<uint>(ref at),
                _ => Unsafe.ReadUnaligned<ulong>(ref at),
            };
        }
    }
}

/// <summary>Collects arguments as objects, for the ones that are compiled in: needed once for each of their values.</summary>
internal readonly struct ArgumentCollector(List<object> values) : IArgumentSink
{
    public void Add<T>(in T value) where T : struct => values.Add(value);
}

/// <summary>What a kernel's parameters look like: words in the block, and which of them are compiled in instead of passed.</summary>
internal sealed unsafe class ParameterLayout
{
    // What a launch can pass on every GPU.
    private const int MaxBytes = 4096;

    private readonly int[] _passed;

    public ParameterLayout(MethodInfo method)
    {
        var passed = new List<int>();
        var constants = new List<int>();
        var constantWords = new List<int>();
        int bytes = 0;
        foreach ((int index, ParameterInfo parameter) in method.GetParameters().Index())
        {
            bool constant = TypeLayout.IsSpecialized(parameter.ParameterType);
            if (constant) constants.Add(index);
            foreach (ArgumentLayout.Piece piece in ArgumentLayout.Of(parameter.ParameterType))
            {
                (constant ? constantWords : passed).Add(Words);
                Words += (piece.Bytes + 7) / 8;
                if (!constant) bytes += piece.Bytes;
            }
        }
        if (bytes > MaxBytes) throw new KernelException($"kernel {method.DeclaringType?.Name}.{method.Name}: {bytes} bytes of parameters; at most {MaxBytes}");
        (_passed, Constants, ConstantWords) = ([.. passed], [.. constants], [.. constantWords]);
    }

    /// <summary>Words of the block.</summary>
    public int Words { get; }

    /// <summary>How many parameters the compiled kernel takes.</summary>
    public int Passed => _passed.Length;

    /// <summary>Numbers of the C# parameters that are compiled in.</summary>
    public int[] Constants { get; }

    /// <summary>Their words.</summary>
    public int[] ConstantWords { get; }

    /// <summary>The addresses of the passed words, as a launch wants them.</summary>
    public void Point(ulong* words, void** pointers)
    {
        for (int i = 0; i < _passed.Length; i++) pointers[i] = words + _passed[i];
    }
}
