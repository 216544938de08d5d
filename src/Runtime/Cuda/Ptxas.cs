using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using OllmNative.Runtime.Compiler;
using OllmNative.Runtime.Compiler.Ptx;

namespace OllmNative.Runtime.Cuda;

/// <summary>What the machine code of a kernel takes, as ptxas reports it.</summary>
/// <param name="Kernel">The entry point.</param>
/// <param name="Registers">32-bit registers of a thread.</param>
/// <param name="SharedBytes">Static shared memory of a group.</param>
/// <param name="StackBytes">Local memory of a thread: arrays that did not become registers, and what was spilled.</param>
/// <param name="SpillStoreBytes">Bytes of registers that are put aside in local memory.</param>
/// <param name="SpillLoadBytes">Bytes that are fetched back.</param>
public sealed record KernelResources(string Kernel, int Registers, int SharedBytes, int StackBytes, int SpillStoreBytes, int SpillLoadBytes);

/// <summary>PTX as machine code.</summary>
/// <param name="Kernels">Each entry point's needs.</param>
/// <param name="Warnings">What ptxas had to remark, line by line.</param>
/// <param name="Cubin">The machine code.</param>
public sealed record AssembledPtx(IReadOnlyList<KernelResources> Kernels, IReadOnlyList<string> Warnings, byte[] Cubin);

/// <summary>
/// NVIDIA's assembler ptxas, and its disassembler nvdisasm, where they are on PATH: what the driver makes of PTX can then be seen without a
/// driver or a GPU. <c>build/ptxas.sh</c> fetches both.
/// </summary>
public sealed partial class Ptxas
{
    private const string Dynamic = ".extern .shared .align 1024 .b8 dynamic_shared[];";

    private readonly string _assembler, _disassembler;

    private Ptxas(string assembler, string disassembler) => (_assembler, _disassembler) = (assembler, disassembler);

    /// <summary>The programs on PATH; null when one is missing.</summary>
    public static Ptxas? Find() => OnPath("ptxas") is { } assembler && OnPath("nvdisasm") is { } disassembler ? new Ptxas(assembler, disassembler) : null;

    /// <summary>Assembles kernels for their target, which is the same for all, in one run.</summary>
    /// <param name="kernels">Their entry points' names differ.</param>
    /// <exception cref="InvalidDataException">ptxas refuses the text; the message is its own.</exception>
    public AssembledPtx Assemble(params IReadOnlyList<CompiledKernel> kernels)
    {
        ArgumentNullException.ThrowIfNull(kernels);
        AssembledPtx assembled = Assemble(Module([.. kernels.Select(kernel => kernel.Ptx)]), kernels[0].Target);
        // Dynamic shared memory, which one kernel of a module may declare, rounds up the static one of all.
        var shared = kernels.ToDictionary(kernel => kernel.Name, kernel => kernel.SharedBytes);
        return assembled with { Kernels = [.. assembled.Kernels.Select(kernel => kernel with { SharedBytes = shared[kernel.Kernel] })] };
    }

    /// <summary>Assembles a module.</summary>
    /// <param name="ptx">Its text.</param>
    /// <param name="target">The architecture whose machine code is made.</param>
    /// <exception cref="InvalidDataException">ptxas refuses the text; the message is its own.</exception>
    public AssembledPtx Assemble(string ptx, PtxTarget target)
    {
        string folder = Directory.CreateTempSubdirectory("ollm-ptxas-").FullName;
        try
        {
            string source = Path.Combine(folder, "module.ptx"), cubin = Path.Combine(folder, "module.cubin");
            File.WriteAllText(source, ptx);
            (int code, string output) = Run(_assembler, "-v", $"-arch={target.Name()}", source, "-o", cubin);
            if (code != 0) throw new InvalidDataException(output.Replace(source, "module.ptx", StringComparison.Ordinal).Trim());
            string[] warnings = [.. output.Split('\n').Where(line => line.Length > 0 && Remark().IsMatch(line))];
            return new AssembledPtx(Report(output), warnings, File.ReadAllBytes(cubin));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>Machine code as text (SASS), one instruction a line.</summary>
    /// <exception cref="InvalidDataException">It is no machine code; the message is nvdisasm's.</exception>
    public string Disassemble(byte[] cubin)
    {
        string file = Path.GetTempFileName();
        try
        {
            File.WriteAllBytes(file, cubin);
            (int code, string output) = Run(_disassembler, "-c", "-ndf", file);
            return code == 0 ? output : throw new InvalidDataException(output.Trim());
        }
        finally
        {
            File.Delete(file);
        }
    }

    /// <summary>Several modules' entry points behind one head: the newest PTX version that any of them asks for.</summary>
    private static string Module(string[] texts)
    {
        if (texts.Length == 1) return texts[0];
        string head = texts.MaxBy(text => text.AsSpan(".version ".Length, 3).ToString(), StringComparer.Ordinal)!;
        string shared = texts.Any(text => text.Contains(Dynamic, StringComparison.Ordinal)) ? Dynamic : "";
        return $"{head[..Entry(head)].Replace(Dynamic, "", StringComparison.Ordinal)}{shared}\n{string.Concat(texts.Select(text => text[Entry(text)..]))}";
    }

    private static int Entry(string text) => text.IndexOf(".visible .entry", StringComparison.Ordinal);

    private static List<KernelResources> Report(string output)
    {
        var kernels = new List<KernelResources>();
        foreach (Match match in Usage().Matches(output))
        {
            int Number(string name) => match.Groups[name] is { Success: true } group ? int.Parse(group.ValueSpan, NumberStyles.None, CultureInfo.InvariantCulture) : 0;
            kernels.Add(new KernelResources(match.Groups["name"].Value, Number("registers"), Number("shared"), Number("stack"), Number("stores"), Number("loads")));
        }
        return kernels;
    }

    private static (int Code, string Output) Run(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false })!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output + errors.GetAwaiter().GetResult());
    }

    private static string? OnPath(string program)
    {
        string name = OperatingSystem.IsWindows() ? $"{program}.exe" : program;
        return (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)
            .Select(folder => Path.Combine(folder, name)).FirstOrDefault(File.Exists);
    }

    [GeneratedRegex(@"Compiling entry function '(?<name>\w+)'.*\n.*Function properties.*\n\s*(?<stack>\d+) bytes stack frame, (?<stores>\d+) bytes spill stores, (?<loads>\d+) bytes spill loads\n.*Used (?<registers>\d+) registers(.*?, (?<shared>\d+) bytes smem)?")]
    private static partial Regex Usage();

    /// <summary>"warning : ..." and advice such as that a product of a warp group was serialised; "info : ..." is the report itself.</summary>
    [GeneratedRegex(@"warning|\(C\d+\)|Potential Performance Loss")]
    private static partial Regex Remark();
}
