using OllmNative.Kernels;
using OllmNative.Runtime.Compiler;
using OllmNative.Runtime.Compiler.Ptx;
using OllmNative.Runtime.Cuda;

namespace OllmNative.Tests.Ptx;

/// <summary>NVIDIA's own assembler takes what the compiler writes, and puts all of it into registers.</summary>
public sealed class PtxasTests
{
    /// <summary>Kernels that may spill, and how many bytes (stores and loads) at most. Empty is the aim.</summary>
    private static readonly Dictionary<string, int> Spills = new()
    {
        ["AttentionTensor128"] = 32, // two registers, outside of its loop
        ["NormGateUp3"] = 24, // one register, on sm_86 and sm_89 alone
        ["DecodeNormProducts1"] = 16, // one or two registers of what comes after the loop, for two groups on a multiprocessor; so the next ones
        ["DecodeNormProducts4"] = 16,
        ["DecodeNormRope1"] = 40, // one or two of what comes after the loop, and one that the address of x is made of, three loads a warp
        ["DecodeGateUp1"] = 16,
    };

    [SkippableTheory]
    [InlineData(PtxTarget.Sm75)]
    [InlineData(PtxTarget.Sm80)]
    [InlineData(PtxTarget.Sm86)]
    [InlineData(PtxTarget.Sm89)]
    [InlineData(PtxTarget.Sm90)]
    [InlineData(PtxTarget.Sm90a)]
    public void Assemble_EveryCatalogKernel_IsAcceptedAndStaysInRegisters(PtxTarget target)
    {
        Ptxas ptxas = Require();
        Dictionary<string, string> names = [];
        var compiled = new List<CompiledKernel>();
        foreach (KernelDescription kernel in KernelCatalog.All)
        {
            if (Compiled(kernel, target) is not { } code) continue;
            compiled.Add(code);
            names[code.Name] = kernel.Name;
        }
        AssembledPtx assembled = InHalves(ptxas, compiled);
        Assert.Equal(compiled.Count, assembled.Kernels.Count);
        Assert.Empty(assembled.Warnings);
        string[] spilling = [.. assembled.Kernels
            .Where(kernel => kernel.StackBytes > 0 && kernel.SpillStoreBytes + kernel.SpillLoadBytes > Spills.GetValueOrDefault(names[kernel.Kernel]) - (Spills.ContainsKey(names[kernel.Kernel]) ? 0 : 1))
            .Select(kernel => $"{names[kernel.Kernel]}: {kernel.StackBytes} bytes of local memory, {kernel.SpillStoreBytes + kernel.SpillLoadBytes} of them spilled to and fro")];
        Assert.True(spilling.Length == 0, $"{target.Name()}: {string.Join("; ", spilling)}");
    }

    /// <summary>Decoding's products are bound by memory: while one group adds up, another one's weights are on their way.</summary>
    [SkippableFact]
    public void Assemble_DecodingsProducts_FitAMultiprocessorTwice()
    {
        Ptxas ptxas = Require();
        CompiledKernel[] kernels = [.. KernelCatalog.All.Where(kernel => kernel.Method.DeclaringType == typeof(DecodeProducts)).Select(kernel => Compiled(kernel, PtxTarget.Sm90)!)];
        Assert.NotEmpty(kernels);
        Assert.All(InHalves(ptxas, kernels).Kernels, kernel => Assert.True(Occupancy.Of(PtxTarget.Sm90, kernel.Registers, (int)kernel.SharedBytes, DecodeProducts.Threads).Groups >= 2, $"{kernel.Kernel}: {kernel.Registers} registers"));
    }

    [SkippableFact]
    public void Assemble_RandomPrograms_AreAccepted()
    {
        Ptxas ptxas = Require();
        const int count = 40;
        Type alone = RandomPrograms.Build(77, count), together = RandomGroupPrograms.Build(77, count);
        var options = new KernelCompileOptions { Target = PtxTarget.Sm90 };
        CompiledKernel[] kernels = [.. Enumerable.Range(0, count)
            .SelectMany(i => new[] { alone.GetMethod($"K{i}")!, together.GetMethod($"G{i}")! }).Select(method => KernelCompiler.Compile(method, options))];
        Assert.Equal(2 * count, InHalves(ptxas, kernels).Kernels.Count);
    }

    [SkippableFact]
    public void Assemble_BadText_SaysWhere()
    {
        Ptxas ptxas = Require();
        CompiledKernel good = Compiled(KernelCatalog.Get("ResidualAdd")!, PtxTarget.Sm80)!;
        InvalidDataException error = Assert.Throws<InvalidDataException>(() => ptxas.Assemble(good.Ptx.Replace("add.rn.f32", "add.up.f32", StringComparison.Ordinal), PtxTarget.Sm80));
        Assert.Contains("line ", error.Message, StringComparison.Ordinal);
    }

    [SkippableFact]
    public void Disassemble_Kernel_PrintsItsInstructions()
    {
        Ptxas ptxas = Require();
        string sass = ptxas.Disassemble(ptxas.Assemble([Compiled(KernelCatalog.Get("ResidualAdd")!, PtxTarget.Sm90)!]).Cubin);
        Assert.Contains("FADD", sass, StringComparison.Ordinal);
        Assert.Contains("EXIT", sass, StringComparison.Ordinal);
    }

    // The figures of NVIDIA's occupancy calculator.
    [Theory]
    [InlineData(PtxTarget.Sm80, 32, 0, 256, 8, "threads")]
    [InlineData(PtxTarget.Sm80, 64, 0, 256, 4, "registers")]
    [InlineData(PtxTarget.Sm80, 255, 0, 128, 2, "registers")]
    [InlineData(PtxTarget.Sm80, 33, 0, 32, 32, "groups")]
    [InlineData(PtxTarget.Sm90, 32, 100 * 1024, 128, 2, "shared memory")]
    [InlineData(PtxTarget.Sm90, 168, 0, 384, 1, "registers")]
    [InlineData(PtxTarget.Sm75, 32, 0, 1024, 1, "threads")]
    [InlineData(PtxTarget.Sm86, 40, 0, 256, 6, "threads")]
    public void Occupancy_KnownKernels_IsTheCalculators(PtxTarget target, int registers, int shared, int threads, int groups, string limit)
    {
        Occupancy occupancy = Occupancy.Of(target, registers, shared, threads);
        Assert.Equal((groups, limit), (occupancy.Groups, occupancy.Limit));
    }

    private static CompiledKernel? Compiled(KernelDescription kernel, PtxTarget target)
    {
        try
        {
            return KernelCompiler.Compile(kernel.Method, new KernelCompileOptions { Target = target });
        }
        catch (KernelCompileException error) when (error.Message.Contains(" needs sm_", StringComparison.Ordinal))
        {
            return null; // the portable twin is for this target
        }
    }

    /// <summary>ptxas works on one processor: two of it side by side.</summary>
    private static AssembledPtx InHalves(Ptxas ptxas, IReadOnlyList<CompiledKernel> kernels)
    {
        // Large kernels take the time; dealt out by size both halves take the same.
        CompiledKernel[] bySize = [.. kernels.OrderByDescending(kernel => kernel.Ptx.Length)];
        AssembledPtx[] halves = new AssembledPtx[2];
        Parallel.For(0, 2, half => halves[half] = ptxas.Assemble([.. bySize.Where((_, i) => (i + 1) / 2 % 2 == half)]));
        return new AssembledPtx([.. halves[0].Kernels, .. halves[1].Kernels], [.. halves[0].Warnings, .. halves[1].Warnings], []);
    }

    private static Ptxas Require()
    {
        Ptxas? ptxas = Ptxas.Find();
        Skip.If(ptxas is null, "ptxas and nvdisasm are not on PATH: build/ptxas.sh fetches them");
        return ptxas!;
    }
}
