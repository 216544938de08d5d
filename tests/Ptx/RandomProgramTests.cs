using System.Globalization;
using System.Reflection;
using OllmNative.Runtime.Compiler;
using OllmNative.Runtime.Language;

namespace OllmNative.Tests.Ptx;

/// <summary>
/// Random programs give the same bits however they run: functions in .NET and as interpreted PTX; kernels whose threads work together in the
/// emulator, which looks for races, and as interpreted PTX.
/// </summary>
public sealed class RandomProgramTests(EmulatorFixture emulator) : IClassFixture<EmulatorFixture>
{
    // Group programs of a seed. Thousands take minutes: OLLM_RANDOM_PROGRAMS=500 asks for 3,000 in all.
    private static readonly int s_groupPrograms = int.TryParse(Environment.GetEnvironmentVariable("OLLM_RANDOM_PROGRAMS"), NumberStyles.None, CultureInfo.InvariantCulture, out int count) ? count : 100;

    private delegate float Function(int a, int b, float x, float y, ref int result, ArrayView<int> cells);

    /// <summary>The values of a kernel's views: integers and floats, two a thread, and cells of memory.</summary>
    private sealed record Values(int[] Ints, float[] Floats, int[] Cells)
    {
        public static Values Of(Random random, int threads, int cells, int small) => new(
            [.. Enumerable.Range(0, 2 * threads).Select(_ => random.Next(3) == 0 ? random.Next(int.MinValue, int.MaxValue) : random.Next(-small, small))],
            [.. Enumerable.Range(0, 2 * threads).Select(_ => (float)(random.NextDouble() * 20 - 10))],
            [.. Enumerable.Range(0, cells).Select(_ => random.Next(-20, 20))]);

        public Values Copy() => new([.. Ints], [.. Floats], [.. Cells]);

        /// <summary>Bit for bit, but for NaNs, of which there are many.</summary>
        public bool Equals(Values? other) => other is not null && Ints.SequenceEqual(other.Ints) && Cells.SequenceEqual(other.Cells)
            && Floats.Zip(other.Floats).All(pair => BitConverter.SingleToInt32Bits(pair.First) == BitConverter.SingleToInt32Bits(pair.Second) || float.IsNaN(pair.First) && float.IsNaN(pair.Second));

        public override int GetHashCode() => Ints.Length;

        public override string ToString() => $"ints {string.Join(' ', Ints)}\nfloats {string.Join(' ', Floats)}\ncells {string.Join(' ', Cells)}";
    }

    public static TheoryData<int> Seeds => [1, 2, 3, 4, 5, 6];

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Compile_RandomPrograms_GiveDotNetsBits(int seed)
    {
        const int count = 500, threads = 8;
        Type programs = RandomPrograms.Build(seed, count);
        using MemoryBuffer1D<int, Stride1D.Dense> cells = emulator.Zeros<int>(8 * threads);
        for (int i = 0; i < count; i++)
        {
            Values values = Values.Of(new Random(seed * 7919 + i), threads, 8 * threads, 20);
            var function = programs.GetMethod($"F{i}")!.CreateDelegate<Function>();
            Check(programs.GetMethod($"K{i}")!, $"program {i} of seed {seed}", values, Apply(function, values, threads, cells), threads, 0, threads);
        }
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Compile_RandomGroupPrograms_GiveTheEmulatorsBits(int seed)
    {
        Type programs = RandomGroupPrograms.Build(seed, s_groupPrograms);
        for (int i = 0; i < s_groupPrograms; i++)
        {
            var random = new Random(seed * 6007 + i);
            Values values = Values.Of(random, RandomGroupPrograms.Threads, 8, 100);
            int n = random.Next(8);
            MethodInfo kernel = programs.GetMethod($"G{i}")!;
            Check(kernel, $"group program {i} of seed {seed}", values, Emulate(kernel, values, n), n, RandomGroupPrograms.DynamicBytes, RandomGroupPrograms.Threads);
        }
    }

    private static void Check(MethodInfo kernel, string name, Values values, Values expected, int n, int dynamicShared, int threads)
    {
        CompiledKernel compiled = KernelCompiler.Compile(kernel, new KernelCompileOptions { FuseMultiplyAdd = false });
        PtxRun.Launch(compiled, new Dim3(1), new Dim3(threads), dynamicShared, [values.Ints, values.Floats, n, values.Cells]);
        if (!values.Equals(expected)) Assert.Fail($"{name}:\n{values}\ninstead of\n{expected}\n{compiled.Ir}");
    }

    /// <summary>The function itself for each thread, on its eight cells.</summary>
    private static Values Apply(Function function, Values values, int threads, MemoryBuffer1D<int, Stride1D.Dense> memory)
    {
        Values result = values.Copy();
        memory.CopyFromCPU(values.Cells);
        for (int t = 0; t < threads; t++)
            result.Floats[t] = function(values.Ints[t], values.Ints[t + threads], values.Floats[t], values.Floats[t + threads], ref result.Ints[t], memory.View.BaseView.SubView(8 * t, 8));
        return result with { Cells = memory.GetAsArray1D() };
    }

    private Values Emulate(MethodInfo kernel, Values values, int n)
    {
        using MemoryBuffer1D<int, Stride1D.Dense> ints = emulator.Buffer(values.Ints), cells = emulator.Buffer(values.Cells);
        using MemoryBuffer1D<float, Stride1D.Dense> floats = emulator.Buffer(values.Floats);
        Action<KernelConfig, ArrayView<int>, ArrayView<float>, int, ArrayView<int>> launch = emulator.Accelerator
            .LoadStreamKernel(kernel.CreateDelegate<Action<ArrayView<int>, ArrayView<float>, int, ArrayView<int>>>());
        launch(new KernelConfig(1, RandomGroupPrograms.Threads, SharedMemoryConfig.RequestDynamic<byte>(RandomGroupPrograms.DynamicBytes)), ints.View, floats.View, n, cells.View);
        emulator.Accelerator.Synchronize();
        return new Values(ints.GetAsArray1D(), floats.GetAsArray1D(), cells.GetAsArray1D());
    }
}
