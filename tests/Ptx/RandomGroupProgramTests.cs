using System.Globalization;
using System.Reflection;
using OllmNative.Runtime.Compiler;
using OllmNative.Runtime.Language;

namespace OllmNative.Tests.Ptx;

/// <summary>Random kernels whose threads work together give the same bits in the emulator, which looks for races, and as interpreted PTX.</summary>
public sealed class RandomGroupProgramTests(EmulatorFixture emulator) : IClassFixture<EmulatorFixture>
{
    private const int Threads = RandomGroupPrograms.Threads, Cells = 8;

    // Programs of a seed. Thousands take minutes: OLLM_RANDOM_PROGRAMS=500 asks for 3,000 in all.
    private static readonly int Count = int.TryParse(Environment.GetEnvironmentVariable("OLLM_RANDOM_PROGRAMS"), NumberStyles.None, CultureInfo.InvariantCulture, out int count) ? count : 100;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    public void Compile_RandomGroupPrograms_GiveTheEmulatorsBits(int seed)
    {
        Type programs = RandomGroupPrograms.Build(seed, Count);
        for (int i = 0; i < Count; i++) Check(programs, seed, i);
    }

    private void Check(Type programs, int seed, int index)
    {
        var random = new Random(seed * 6007 + index);
        int[] ints = [.. Enumerable.Range(0, 2 * Threads).Select(_ => random.Next(4) == 0 ? random.Next(int.MinValue, int.MaxValue) : random.Next(-100, 100))];
        float[] floats = [.. Enumerable.Range(0, 2 * Threads).Select(_ => (float)(random.NextDouble() * 20 - 10))];
        int[] cells = [.. Enumerable.Range(0, Cells).Select(_ => random.Next(-20, 20))];
        int n = random.Next(8);
        MethodInfo kernel = programs.GetMethod($"G{index}")!;
        (int[] expectedInts, float[] expectedFloats, int[] expectedCells) = Emulate(kernel, ints, floats, n, cells);

        CompiledKernel compiled = KernelCompiler.Compile(kernel, new KernelCompileOptions { FuseMultiplyAdd = false });
        PtxRun.Launch(compiled, new Dim3(1), new Dim3(Threads), RandomGroupPrograms.DynamicBytes, [ints, floats, n, cells]);
        if (!cells.SequenceEqual(expectedCells)) Assert.Fail($"program {index} of seed {seed}: other memory\n{compiled.Ir}");
        for (int t = 0; t < Threads; t++)
        {
            bool same = ints[t] == expectedInts[t]
                && (BitConverter.SingleToInt32Bits(floats[t]) == BitConverter.SingleToInt32Bits(expectedFloats[t]) || float.IsNaN(floats[t]) && float.IsNaN(expectedFloats[t]));
            if (!same) Assert.Fail($"program {index} of seed {seed}, thread {t}: ({ints[t]}, {floats[t]}) instead of ({expectedInts[t]}, {expectedFloats[t]})\n{compiled.Ir}");
        }
    }

    private (int[] Ints, float[] Floats, int[] Cells) Emulate(MethodInfo kernel, int[] ints, float[] floats, int n, int[] cells)
    {
        using MemoryBuffer1D<int, Stride1D.Dense> intBuffer = emulator.Buffer(ints), cellBuffer = emulator.Buffer(cells);
        using MemoryBuffer1D<float, Stride1D.Dense> floatBuffer = emulator.Buffer(floats);
        Action<KernelConfig, ArrayView<int>, ArrayView<float>, int, ArrayView<int>> launch = emulator.Accelerator
            .LoadStreamKernel(kernel.CreateDelegate<Action<ArrayView<int>, ArrayView<float>, int, ArrayView<int>>>());
        launch(new KernelConfig(1, Threads, SharedMemoryConfig.RequestDynamic<int>(RandomGroupPrograms.DynamicBytes / sizeof(int))),
            intBuffer.View, floatBuffer.View, n, cellBuffer.View);
        emulator.Accelerator.Synchronize();
        return (intBuffer.GetAsArray1D(), floatBuffer.GetAsArray1D(), cellBuffer.GetAsArray1D());
    }
}
