using System.Reflection;
using OllmNative.Runtime.Language;
using OllmNative.Tests.Cuda;

namespace OllmNative.Tests.Samples;

/// <summary>
/// Small programs, each with one feature of the language as somebody new to it would use it: kernel, host, and what plain C# gives. All run in the
/// emulator and, compiled, as PTX in the interpreter.
/// </summary>
public sealed class SamplePrograms(EmulatorFixture emulator) : IClassFixture<EmulatorFixture>
{
    private static readonly Type[] Files =
    [
        typeof(ViewSamples), typeof(StrideSamples), typeof(ValueSamples), typeof(FlowSamples), typeof(GenericSamples), typeof(GroupSamples), typeof(AtomicSamples),
        typeof(MathSamples), typeof(HostSamples),
    ];

    private static IEnumerable<MethodInfo> Programs => Files.SelectMany(file => file.GetMethods(BindingFlags.Public | BindingFlags.Static | BindingFlags.DeclaredOnly));

    public static TheoryData<string> Names => [.. Programs.Select(Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public void Program_InTheEmulatorAndAsPtx_GivesWhatCSharpGives(string name)
    {
        Action<Accelerator> program = Programs.Single(method => Name(method) == name).CreateDelegate<Action<Accelerator>>();
        program(emulator.Accelerator);
        using var gpu = new PtxGpu();
        program(gpu.Accelerator);
    }

    private static string Name(MethodInfo method) => $"{method.DeclaringType!.Name}.{method.Name}";
}
