using System.Globalization;
using OllmNative.Kernels;
using OllmNative.Model;
using OllmNative.Runtime.Compiler;
using OllmNative.Runtime.Compiler.Ptx;
using OllmNative.Runtime.Cuda;

namespace OllmNative.Cli.Commands;

/// <summary>What ptxas makes of the kernels: their machine code, and what it takes of a multiprocessor.</summary>
internal static class KernelAssembly
{
    // The group of kernels that take any: what the device launches them with as a rule.
    private const int AnyGroup = 256;

    private sealed record Row(string Kernel, int Threads, bool AnyThreads, int DynamicShared, KernelResources Use, Occupancy Occupancy);

    /// <summary>A kernel's SASS.</summary>
    /// <exception cref="OllmException">There is no ptxas, or it refuses the kernel.</exception>
    public static string Sass(CompiledKernel kernel)
    {
        Ptxas ptxas = Require();
        return ptxas.Disassemble(Assemble(ptxas, [kernel]).Cubin).TrimEnd();
    }

    /// <summary>A table of all kernels that the target has.</summary>
    /// <exception cref="OllmException">There is no ptxas, or it refuses a kernel.</exception>
    public static void ShowResources(Output ui, IReadOnlyList<KernelDescription> kernels, PtxTarget target)
    {
        Ptxas ptxas = Require();
        var absent = new List<string>();
        var compiled = new List<(KernelDescription Kernel, CompiledKernel Code)>();
        foreach (KernelDescription kernel in kernels)
        {
            try
            {
                compiled.Add((kernel, KernelCompiler.Compile(kernel.Method, new KernelCompileOptions { Target = target, MaxThreads = kernel.Threads })));
            }
            catch (KernelCompileException)
            {
                absent.Add(kernel.Name);
            }
        }
        if (compiled.Count == 0) throw new OllmException($"{string.Join(", ", absent)}: not for {target.Name()}; a newer --arch has it");
        Dictionary<string, KernelResources> uses = Assemble(ptxas, [.. compiled.Select(pair => pair.Code)]).Kernels.ToDictionary(use => use.Kernel);
        Show(ui, target, [.. compiled.Select(pair => RowOf(pair.Kernel, uses[pair.Code.Name], target))], absent);
    }

    private static Row RowOf(KernelDescription kernel, KernelResources use, PtxTarget target)
    {
        int threads = kernel.Threads ?? AnyGroup;
        return new Row(kernel.Name, threads, kernel.Threads is null, kernel.DynamicShared, use,
            Occupancy.Of(target, use.Registers, use.SharedBytes + kernel.DynamicShared, threads));
    }

    private static void Show(Output ui, PtxTarget target, Row[] rows, List<string> absent)
    {
        static string Number(int value) => value.ToString(CultureInfo.InvariantCulture);
        ui.Line($"{target.Name()}: per thread registers, stack and spilled bytes; per group threads (~: any will do) and shared memory; groups at once on a multiprocessor");
        ui.Table(
            ["kernel", "registers", "stack", "spills", "threads", "shared", "dynamic", "groups", "occupancy", "limit"],
            rows.Select(row => (IReadOnlyList<string>)
            [
                row.Kernel, Number(row.Use.Registers), Number(row.Use.StackBytes), Number(row.Use.SpillStoreBytes + row.Use.SpillLoadBytes),
                (row.AnyThreads ? "~" : "") + Number(row.Threads), Number(row.Use.SharedBytes), Number(row.DynamicShared), Number(row.Occupancy.Groups),
                row.Occupancy.Fraction.ToString("P0", CultureInfo.InvariantCulture), row.Occupancy.Limit,
            ]), 1, 2, 3, 4, 5, 6, 7, 8);
        if (absent.Count > 0) ui.Line($"not for {target.Name()}: {string.Join(", ", absent)}");
        ui.Result(new
        {
            arch = target.Name(),
            kernels = rows.Select(row => new
            {
                name = row.Kernel,
                row.Use.Registers,
                row.Use.StackBytes,
                row.Use.SpillStoreBytes,
                row.Use.SpillLoadBytes,
                row.Use.SharedBytes,
                dynamic_shared_bytes = row.DynamicShared,
                row.Threads,
                any_threads = row.AnyThreads,
                groups_per_multiprocessor = row.Occupancy.Groups,
                occupancy = row.Occupancy.Fraction,
                occupancy_limit = row.Occupancy.Limit,
            }),
            absent,
        });
    }

    private static Ptxas Require() => Ptxas.Find()
        ?? throw new OllmException("ptxas and nvdisasm are not on PATH: install CUDA's tools, or run build/ptxas.sh DIR and put DIR on PATH");

    private static AssembledPtx Assemble(Ptxas ptxas, CompiledKernel[] kernels)
    {
        try
        {
            return ptxas.Assemble(kernels);
        }
        catch (InvalidDataException error)
        {
            throw new OllmException($"ptxas: {error.Message}");
        }
    }
}
