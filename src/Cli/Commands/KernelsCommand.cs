using System.CommandLine;
using OllmNative.Kernels;
using OllmNative.Model;
using OllmNative.Runtime.Compiler;
using OllmNative.Runtime.Compiler.Ptx;

namespace OllmNative.Cli.Commands;

/// <summary><c>ollm kernels</c>: the kernels with their contracts, or what they are compiled to. No GPU needed.</summary>
internal static class KernelsCommand
{
    /// <summary>What is to be printed of a kernel.</summary>
    private readonly record struct Stages(bool Ptx, bool Ir, bool Sass)
    {
        public bool Any => Ptx || Ir || Sass;
    }

    public static Command Create(Output ui)
    {
        var name = new Argument<string?>("NAME") { Description = "One kernel; without it all are listed.", Arity = ArgumentArity.ZeroOrOne };
        var ptx = new Option<bool>("--ptx") { Description = "Print the PTX." };
        var ir = new Option<bool>("--ir") { Description = "Print the optimised intermediate representation." };
        var arch = new Option<string>("--arch") { Description = "What to compile for: sm_75, sm_80, sm_86, sm_89, sm_90 or sm_90a.", DefaultValueFactory = _ => "sm_80" };
        var sass = new Option<bool>("--sass") { Description = "Print the machine code; needs CUDA's ptxas and nvdisasm on PATH." };
        var resources = new Option<bool>("--resources") { Description = "Registers, shared memory, spills and occupancy; needs ptxas on PATH." };
        var command = new Command("kernels", "List the kernels with their contracts; print one's IR, PTX or machine code, or what they take of a GPU.")
        {
            name, ptx, ir, sass, resources, arch,
        };
        command.SetAction(parsed =>
        {
            PtxTarget target = PtxTargets.Parse(parsed.GetValue(arch)!)
                ?? throw new OllmException($"--arch {parsed.GetValue(arch)}: expected sm_75, sm_80, sm_86, sm_89, sm_90 or sm_90a");
            KernelDescription? one = parsed.GetValue(name) is { } wanted ? Find(wanted) : null;
            var stages = new Stages(parsed.GetValue(ptx), parsed.GetValue(ir), parsed.GetValue(sass));
            if (parsed.GetValue(resources))
            {
                if (stages.Any) throw new OllmException("--resources is a table of its own: without --ptx, --ir and --sass");
                KernelAssembly.ShowResources(ui, one is null ? KernelCatalog.All : [one], target);
            }
            else if (one is not null) ShowOne(ui, one, target, stages);
            else if (stages.Any) throw new OllmException("--ptx, --ir and --sass need a kernel's NAME; `ollm kernels` lists them");
            else List(ui);
        });
        return command;
    }

    private static KernelDescription Find(string name) => KernelCatalog.Get(name)
        ?? throw new OllmException($"there is no kernel '{name}'; `ollm kernels` lists the {KernelCatalog.All.Count} that there are");

    private static void List(Output ui)
    {
        foreach (KernelDescription kernel in KernelCatalog.All) ShowContract(ui, kernel);
        ui.Result(new { kernels = KernelCatalog.All.Select(kernel => new { kernel.Name, kernel.Operation, kernel.Version, kernel.Contract }) });
    }

    private static void ShowOne(Output ui, KernelDescription kernel, PtxTarget target, Stages stages)
    {
        CompiledKernel compiled = Compile(kernel, target);
        string? sass = stages.Sass ? KernelAssembly.Sass(compiled) : null;
        if (!stages.Any)
        {
            ShowContract(ui, kernel);
            ui.Line($"  {target.Name()}: {compiled.Parameters.Count} scalar parameters, {compiled.SharedBytes} bytes of static shared memory");
        }
        if (stages.Ir) ui.Line(compiled.Ir);
        if (stages.Ptx) ui.Line(compiled.Ptx);
        if (sass is not null) ui.Line(sass);
        ui.Result(new
        {
            kernel.Name,
            kernel.Contract,
            arch = target.Name(),
            parameters = compiled.Parameters.Select(parameter => new { parameter.Name, parameter.Type }),
            shared_bytes = compiled.SharedBytes,
            ir = stages.Ir ? compiled.Ir : null,
            ptx = stages.Ptx ? compiled.Ptx : null,
            sass,
        });
    }

    private static CompiledKernel Compile(KernelDescription kernel, PtxTarget target)
    {
        try
        {
            return KernelCompiler.Compile(kernel.Method, new KernelCompileOptions { Target = target });
        }
        catch (KernelCompileException error)
        {
            throw new OllmException($"kernel {kernel.Name} for {target.Name()}: {error.Message}");
        }
    }

    private static void ShowContract(Output ui, KernelDescription kernel)
    {
        ui.Line(kernel.Name);
        foreach (string line in kernel.Contract.Split('\n')) ui.Line($"  {line.TrimEnd()}");
        ui.Line();
    }
}
