using System.CommandLine;
using OllmNative.Kernels;
using OllmNative.Model;
using OllmNative.Runtime.Compiler;
using OllmNative.Runtime.Compiler.Ptx;

namespace OllmNative.Cli.Commands;

/// <summary><c>ollm kernels</c>: the kernels with their contracts, or what one of them is compiled to. No GPU needed.</summary>
internal static class KernelsCommand
{
    public static Command Create(Output ui)
    {
        var name = new Argument<string?>("NAME") { Description = "One kernel; without it all are listed.", Arity = ArgumentArity.ZeroOrOne };
        var ptx = new Option<bool>("--ptx") { Description = "Print the PTX." };
        var ir = new Option<bool>("--ir") { Description = "Print the optimised intermediate representation." };
        var arch = new Option<string>("--arch") { Description = "What to compile for: sm_75, sm_80, sm_86, sm_89, sm_90 or sm_90a.", DefaultValueFactory = _ => "sm_80" };
        var command = new Command("kernels", "List the kernels with their contracts; print one's IR or PTX.") { name, ptx, ir, arch };
        command.SetAction(parsed =>
        {
            PtxTarget target = PtxTargets.Parse(parsed.GetValue(arch)!)
                ?? throw new OllmException($"--arch {parsed.GetValue(arch)}: expected sm_75, sm_80, sm_86, sm_89, sm_90 or sm_90a");
            if (parsed.GetValue(name) is { } wanted) ShowOne(ui, Find(wanted), target, parsed.GetValue(ptx), parsed.GetValue(ir));
            else if (parsed.GetValue(ptx) || parsed.GetValue(ir)) throw new OllmException("--ptx and --ir need a kernel's NAME; `ollm kernels` lists them");
            else List(ui);
        });
        return command;
    }

    private static KernelDescription Find(string name) => KernelCatalog.Get(name)
        ?? throw new OllmException($"there is no kernel '{name}'; there are {string.Join(", ", KernelCatalog.All.Select(kernel => kernel.Name))}");

    private static void List(Output ui)
    {
        foreach (KernelDescription kernel in KernelCatalog.All) ShowContract(ui, kernel);
        ui.Result(new { kernels = KernelCatalog.All.Select(kernel => new { kernel.Name, kernel.Operation, kernel.Version, kernel.Contract }) });
    }

    private static void ShowOne(Output ui, KernelDescription kernel, PtxTarget target, bool ptx, bool ir)
    {
        CompiledKernel compiled = Compile(kernel, target);
        if (!ptx && !ir)
        {
            ShowContract(ui, kernel);
            ui.Line($"  {target.Name()}: {compiled.Parameters.Count} scalar parameters, {compiled.SharedBytes} bytes of static shared memory");
        }
        if (ir) ui.Line(compiled.Ir);
        if (ptx) ui.Line(compiled.Ptx);
        ui.Result(new
        {
            kernel.Name,
            kernel.Contract,
            arch = target.Name(),
            parameters = compiled.Parameters.Select(parameter => new { parameter.Name, parameter.Type }),
            shared_bytes = compiled.SharedBytes,
            ir = ir ? compiled.Ir : null,
            ptx = ptx ? compiled.Ptx : null,
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
