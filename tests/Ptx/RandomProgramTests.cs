using System.Reflection;
using OllmNative.Runtime.Compiler;
using OllmNative.Runtime.Language;

namespace OllmNative.Tests.Ptx;

/// <summary>Random programs give the same bits in .NET and as interpreted PTX.</summary>
public sealed class RandomProgramTests(EmulatorFixture emulator) : IClassFixture<EmulatorFixture>
{
    private const int Threads = 8;

    private delegate float Program(int a, int b, float x, float y, ref int result, ArrayView<int> cells);

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    public void Compile_RandomPrograms_GiveDotNetsBits(int seed)
    {
        const int count = 500;
        Type programs = RandomPrograms.Build(seed, count);
        using MemoryBuffer1D<int, Stride1D.Dense> cells = emulator.Zeros<int>(8 * Threads);
        for (int i = 0; i < count; i++) Check(programs, seed, i, cells);
    }

    private static void Check(Type programs, int seed, int index, MemoryBuffer1D<int, Stride1D.Dense> memory)
    {
        var random = new Random(seed * 7919 + index);
        int[] ints = [.. Enumerable.Range(0, 2 * Threads).Select(_ => random.Next(3) == 0 ? random.Next(int.MinValue, int.MaxValue) : random.Next(-20, 20))];
        float[] floats = [.. Enumerable.Range(0, 2 * Threads).Select(_ => (float)(random.NextDouble() * 20 - 10))];
        int[] cells = [.. Enumerable.Range(0, 8 * Threads).Select(_ => random.Next(-20, 20))];
        memory.CopyFromCPU(cells);
        int[] expectedInts = [.. ints];
        float[] expectedFloats = [.. floats];
        var program = programs.GetMethod($"F{index}")!.CreateDelegate<Program>();
        for (int t = 0; t < Threads; t++)
            expectedFloats[t] = program(ints[t], ints[t + Threads], floats[t], floats[t + Threads], ref expectedInts[t], memory.View.BaseView.SubView(8 * t, 8));

        MethodInfo kernel = programs.GetMethod($"K{index}")!;
        CompiledKernel compiled = KernelCompiler.Compile(kernel, new KernelCompileOptions { FuseMultiplyAdd = false });
        PtxRun.Launch(compiled, new Dim3(1), new Dim3(Threads), ints, floats, Threads, cells);
        if (!cells.SequenceEqual(memory.GetAsArray1D())) Assert.Fail($"program {index} of seed {seed}: other memory\n{compiled.Ir}");
        for (int t = 0; t < Threads; t++)
        {
            bool same = ints[t] == expectedInts[t]
                && (floats[t].Equals(expectedFloats[t]) && float.IsNegative(floats[t]) == float.IsNegative(expectedFloats[t]) || float.IsNaN(floats[t]) && float.IsNaN(expectedFloats[t]));
            if (!same) Assert.Fail($"program {index} of seed {seed}, thread {t}: ({ints[t]}, {floats[t]}) instead of ({expectedInts[t]}, {expectedFloats[t]})\n{compiled.Ir}");
        }
    }
}
