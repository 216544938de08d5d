using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using OllmNative.Runtime.Compiler;
using OllmNative.Runtime.Compiler.Frontend;

namespace OllmNative.Tests.Ptx;

/// <summary>Compiles a kernel and runs its PTX in the interpreter. Arrays are views, and are changed in place; structs go scalar by scalar.</summary>
internal static class PtxRun
{
    public static CompiledKernel Compile(Delegate kernel, bool fuse = true) =>
        KernelCompiler.Compile(kernel.Method, new KernelCompileOptions { FuseMultiplyAdd = fuse });

    /// <summary>A tensor map of an array as a kernel's argument.</summary>
    public sealed record TensorMapOf(Array Matrix, int Width, int Height, int BoxWidth, int BoxHeight, int ElementSize, int Swizzle)
    {
        public PtxTensorMap Over(ulong address) => new(address, Width, Height, (long)Width * ElementSize, BoxWidth, BoxHeight, ElementSize, Swizzle);
    }

    public static void Launch(Delegate kernel, Dim3 grid, Dim3 group, params object[] arguments) => Launch(Compile(kernel), grid, group, arguments);

    public static void Launch(CompiledKernel kernel, Dim3 grid, Dim3 group, params object[] arguments) => Launch(kernel, grid, group, 0, arguments);

    public static void Launch(CompiledKernel kernel, Dim3 grid, Dim3 group, int dynamicShared, object[] arguments)
    {
        var machine = new PtxMachine(kernel.Ptx);
        var bits = new List<ulong>();
        var arrays = new List<(Array Target, byte[] Memory)>();
        foreach (object argument in arguments)
        {
            if (argument is Array array)
            {
                byte[] memory = Bytes(array);
                arrays.Add((array, memory));
                bits.Add(machine.Memory.Allocate(memory));
                bits.Add((ulong)array.Length);
            }
            else if (argument is TensorMapOf map)
            {
                byte[] memory = Bytes(map.Matrix);
                bits.Add(machine.Memory.Allocate(map.Over(machine.Memory.Allocate(memory)).Encode()));
            }
            else
            {
                AddScalars(bits, argument);
            }
        }
        machine.Launch(grid, group, [.. bits], dynamicShared);
        foreach ((Array target, byte[] memory) in arrays) memory.CopyTo(Raw(target));
    }

    private static byte[] Bytes(Array array) => Raw(array).ToArray();

    private static unsafe Span<byte> Raw(Array array)
    {
        int size = TypeLayout.Of(array.GetType().GetElementType()!).Size;
        ref byte first = ref MemoryMarshal.GetArrayDataReference(array);
        return MemoryMarshal.CreateSpan(ref first, array.Length * size);
    }

    private static void AddScalars(List<ulong> bits, object value)
    {
        switch (value)
        {
            case int i: bits.Add((uint)i); break;
            case uint u: bits.Add(u); break;
            case long l: bits.Add((ulong)l); break;
            case float f: bits.Add(BitConverter.SingleToUInt32Bits(f)); break;
            case double d: bits.Add(BitConverter.DoubleToUInt64Bits(d)); break;
            case bool b: bits.Add(b ? 1UL : 0); break;
            case ValueType structure:
                FieldInfo[] fields = [.. structure.GetType().GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic).OrderBy(field => field.MetadataToken)];
                foreach (FieldInfo field in fields) AddScalars(bits, field.GetValue(structure)!);
                break;
            default: throw new ArgumentException($"{value.GetType().Name} as a kernel argument");
        }
    }

    public static float[] Random(int seed, int count, float scale = 1)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => (float)(random.NextDouble() * 2 - 1) * scale)];
    }

    public static void AssertClose(double[] expected, float[] actual, double tolerance)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (int i = 0; i < expected.Length; i++)
            Assert.True(Math.Abs(expected[i] - actual[i]) <= tolerance * (1 + Math.Abs(expected[i])), $"element {i}: {actual[i]} instead of {expected[i]}");
    }
}
