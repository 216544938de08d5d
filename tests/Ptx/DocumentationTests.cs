using System.Diagnostics;
using System.Reflection;
using System.Text.RegularExpressions;
using OllmNative.Kernels;
using OllmNative.Runtime.Compiler;
using OllmNative.Runtime.Compiler.Il;
using OllmNative.Runtime.Compiler.Ir;
using OllmNative.Runtime.Language;
using Group = OllmNative.Runtime.Language.Group;

namespace OllmNative.Tests.Ptx;

/// <summary>docs/il-to-ptx.md shows what the compiler really prints, at each of its stages.</summary>
public sealed partial class DocumentationTests
{
    private static readonly MethodInfo Kernel = ((Delegate)ResidualAdd.Forward).Method;

    private static void Scale(ArrayView<float> view) => view[Group.IdxX] = (float)(view[Group.IdxX] * 0.1);

    [SkippableFact]
    public void IlToPtx_EveryStage_IsWhatTheCompilerPrints()
    {
        string page = Page();
        // A debug build has other IL; the page shows the release's.
        Skip.If(Kernel.Module.Assembly.GetCustomAttribute<DebuggableAttribute>() is { IsJITOptimizerDisabled: true }, "the kernels are a debug build");
        var options = new KernelCompileOptions();
        CompiledKernel compiled = KernelCompiler.Compile(Kernel, options);
        AssertShown(page, string.Join('\n', IlDecoder.Decode(Kernel)));
        AssertShown(page, IrPrinter.Print(KernelCompiler.Translate(Kernel, options)));
        AssertShown(page, compiled.Ir);
        AssertShown(page, compiled.Ptx);
    }

    [SkippableFact]
    public void IlToPtx_SampleError_IsARealOne()
    {
        string page = Page();
        var error = Assert.Throws<KernelCompileException>(() => KernelCompiler.Compile(((Delegate)Scale).Method));
        AssertShown(Place().Replace(page, "PLACE"), Place().Replace(error.Message, "PLACE"));
    }

    private static void AssertShown(string page, string text) => Assert.True(page.Contains(text.Trim(), StringComparison.Ordinal), $"docs/il-to-ptx.md does not show:\n{text}");

    private static string Page()
    {
        string? folder = AppContext.BaseDirectory;
        while (folder is not null && !File.Exists(Path.Combine(folder, "OllmNative.sln"))) folder = Path.GetDirectoryName(folder);
        Skip.If(folder is null, "the tests run outside of the repository");
        return File.ReadAllText(Path.Combine(folder!, "docs", "il-to-ptx.md")).ReplaceLineEndings("\n");
    }

    // Offset and line depend on the build and on this file.
    [GeneratedRegex(@"0x[0-9a-f]{4}|\.cs:\d+")]
    private static partial Regex Place();
}
