using System.CommandLine;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;
using System.Text;
using OllmNative.Model;
using OllmNative.Model.Cpu;
using OllmNative.Model.Cuda;
using OllmNative.Runtime.Cuda;

namespace OllmNative.Cli.Commands;

/// <summary><c>ollm devices</c>: what can compute on this machine.</summary>
internal static class DevicesCommand
{
    public static Command Create(Output ui)
    {
        var command = new Command("devices", "List what can compute on this machine.");
        command.SetAction(_ => Run(ui));
        return command;
    }

    private static void Run(Output ui)
    {
        using var cpu = new CpuDevice();
        string processor = ProcessorName();
        long memory = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
        string[] simd = Simd();
        CudaProbe cuda = CudaDriver.Probe();

        ui.Line(cpu.Description);
        ui.Line($"  processor  {processor}");
        ui.Line($"  cores      {Environment.ProcessorCount}");
        ui.Line($"  SIMD       {string.Join(", ", simd)}");
        ui.Line($"  memory     {Format.Bytes(memory)}");
        ui.Line($"cuda: {cuda.Message}");
        foreach (CudaGpu gpu in cuda.Gpus)
        {
            ui.Line($"  {gpu.Index}  {Describe(gpu)}");
            foreach (string line in Told(Versions(gpu, cuda))) ui.Line($"     {line}");
        }
        ui.Line($"emulator: runs kernels as C# on the processor, for tests and the debugger (groups side by side on {Environment.ProcessorCount} threads)");

        ui.Result(new
        {
            cpu = new { description = cpu.Description, processor, cores = Environment.ProcessorCount, simd, memory_bytes = memory },
            cuda = new
            {
                message = cuda.Message,
                cuda.DriverVersion,
                kernel_cache = KernelCacheFolder.Current ?? "off",
                gpus = cuda.Gpus.Select(gpu => new
                {
                    gpu.Index, gpu.Name, compute_capability = $"{gpu.ComputeMajor}.{gpu.ComputeMinor}", gpu.MemoryBytes, gpu.Multiprocessors,
                    gpu.ClockMegahertz, memory_bytes_per_second = gpu.MemoryBytesPerSecond, usable = gpu.Refusal is null, gpu.Refusal,
                    versions = Versions(gpu, cuda),
                }),
            },
            emulator = new { threads = Environment.ProcessorCount },
        });
    }

    /// <summary>What is known of a GPU's versions, in lines for people.</summary>
    internal static IEnumerable<string> Told(IReadOnlyList<VersionReport> versions)
    {
        foreach ((string state, string title) in ((string, string)[])[("in use", "in use"), ("not tried", "not tried yet (the first command on it does)")])
        {
            string[] names = [.. versions.Where(version => version.State == state).Select(version => version.Name)];
            if (names.Length > 0) yield return $"{title}: {string.Join(", ", names)}";
        }
        foreach (VersionReport version in versions.Where(version => version.State == "left out"))
            yield return $"left out: {version.Name} ({version.Title}): {version.Why}; in its place: {version.InPlace}";
    }

#if ILGPU
    private static IReadOnlyList<VersionReport> Versions(CudaGpu gpu, CudaProbe probe) => [];
#else
    private static IReadOnlyList<VersionReport> Versions(CudaGpu gpu, CudaProbe probe) => gpu.Refusal is null ? DeviceTrust.Reports(gpu, probe.DriverNumber) : [];
#endif

    private static string Describe(CudaGpu gpu) => gpu.Refusal is { } refusal
        ? $"{gpu.Name}: cannot be used: {refusal}"
        : string.Create(CultureInfo.InvariantCulture,
            $"{gpu.Name}, compute capability {gpu.ComputeMajor}.{gpu.ComputeMinor}, {Format.Bytes(gpu.MemoryBytes)}, {gpu.Multiprocessors} multiprocessors at {gpu.ClockMegahertz} MHz, {gpu.MemoryBytesPerSecond / 1e9:F0} GB/s by its memory clock");

    private static string[] Simd()
    {
        (string Name, bool Supported)[] sets =
        [
            ("SSE4.2", Sse42.IsSupported), ("AVX", Avx.IsSupported), ("AVX2", Avx2.IsSupported), ("FMA", Fma.IsSupported),
            ("AVX-512F", Avx512F.IsSupported), ("AVX-512BW", Avx512BW.IsSupported), ("NEON", AdvSimd.IsSupported),
        ];
        return [.. sets.Where(set => set.Supported).Select(set => set.Name)];
    }

    /// <summary>The brand string of an x86 processor (CPUID leaves 0x80000002 to 0x80000004), otherwise the architecture.</summary>
    private static string ProcessorName()
    {
        const int firstLeaf = unchecked((int)0x80000002), lastLeaf = firstLeaf + 2, extended = unchecked((int)0x80000000);
        if (!X86Base.IsSupported || X86Base.CpuId(extended, 0).Eax < lastLeaf) return RuntimeInformation.ProcessArchitecture.ToString();
        Span<int> words = stackalloc int[12];
        for (int leaf = firstLeaf; leaf <= lastLeaf; leaf++)
        {
            (int eax, int ebx, int ecx, int edx) = X86Base.CpuId(leaf, 0);
            ((ReadOnlySpan<int>)[eax, ebx, ecx, edx]).CopyTo(words[(4 * (leaf - firstLeaf))..]);
        }
        ReadOnlySpan<byte> text = MemoryMarshal.AsBytes(words);
        int end = text.IndexOf((byte)0);
        return Encoding.ASCII.GetString(end < 0 ? text : text[..end]).Trim();
    }
}
