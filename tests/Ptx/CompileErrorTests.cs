using OllmNative.Runtime.Compiler;
using OllmNative.Runtime.Language;

namespace OllmNative.Tests.Ptx;

/// <summary>What is outside the kernel language is refused with the place and the reason.</summary>
public sealed class CompileErrorTests
{
    private static int s_counter = Environment.ProcessorCount;

    private static void NewObject(ArrayView<int> view) => view[0] = new List<int>(view[1]).Count;

    private static void Virtual(ArrayView<int> view) => view[0] = ((object)view[1]).GetHashCode();

    private static void Catch(ArrayView<int> view)
    {
        try
        {
            view[0] = 1;
        }
        finally
        {
            view[1] = 2;
        }
    }

    private static void Throw(ArrayView<int> view)
    {
        if (view[0] == 3) throw new InvalidOperationException();
        view[0] = 1;
    }

    private static void Text(ArrayView<int> view) => view[0] = "text".Length;

    private static int Factorial(int n) => n < 2 ? 1 : n * Factorial(n - 1);

    private static void Recursion(ArrayView<int> view) => view[0] = Factorial(view[0]);

    private static void Double(ArrayView<float> view) => view[0] = (float)(view[0] * 0.1);

    private static void Static(ArrayView<int> view) => view[0] = s_counter;

    private static void StaticWrite(ArrayView<int> view) => s_counter = view[0];

    private static void ArrayOfUnknownLength(ArrayView<int> view)
    {
        int[] array = new int[view[0]];
        view[0] = array.Length;
    }

    private static void Lambda(ArrayView<int> view)
    {
        Func<int, int> twice = x => 2 * x;
        view[0] = twice(view[0]);
    }

    private static void AtomicOnLocal(ArrayView<int> view)
    {
        int sum = 0;
        Atomic.Add(ref sum, view[0]);
        view[0] = sum;
    }

    private static int Returns(ArrayView<int> view) => view[0];

    private static void SharedOfUnknownLength(ArrayView<int> view) => SharedMemory.Allocate<int>(view[0])[0] = 1;

    private static void Checked(ArrayView<int> view) => view[0] = checked(view[0] + view[1]);

    public static TheoryData<string, string> Refused => new()
    {
        { nameof(NewObject), "class instances" },
        { nameof(Virtual), "boxing" },
        { nameof(Catch), "try/catch/finally" },
        { nameof(Throw), "class instances" },
        { nameof(Text), "String" },
        { nameof(Recursion), "recursion" },
        { nameof(Double), "double" },
        { nameof(Static), "s_counter can change" },
        { nameof(StaticWrite), "no static state" },
        { nameof(ArrayOfUnknownLength), "constant" },
        { nameof(Lambda), "part of the kernel language" },
        { nameof(AtomicOnLocal), "element of a view" },
        { nameof(Returns), "returns nothing" },
        { nameof(SharedOfUnknownLength), "must be a constant" },
        { nameof(Checked), "checked arithmetic" },
    };

    [Theory]
    [MemberData(nameof(Refused))]
    public void Compile_OutsideTheLanguage_SaysWhatAndWhere(string kernel, string reason)
    {
        var error = Assert.Throws<KernelCompileException>(() => Compile(kernel));
        Assert.Contains(reason, error.Message, StringComparison.Ordinal);
        Assert.Contains("CompileErrorTests", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Compile_ErrorInsideACalledMethod_NamesThatMethodOffsetAndLine()
    {
        var error = Assert.Throws<KernelCompileException>(() => Compile(nameof(Recursion)));
        Assert.Equal("CompileErrorTests.Factorial", error.Method);
        Assert.True(error.IlOffset > 0);
        Assert.StartsWith("CompileErrorTests.cs:", error.SourceLocation, StringComparison.Ordinal);
    }

    [Fact]
    public void Compile_DoubleWhereAllowed_Compiles() =>
        Assert.Contains("mul.rn.f64", KernelCompiler.Compile(Method(nameof(Double)), new KernelCompileOptions { AllowDouble = true }).Ptx, StringComparison.Ordinal);

    private static void Compile(string kernel) => KernelCompiler.Compile(Method(kernel));

    private static System.Reflection.MethodInfo Method(string name) =>
        typeof(CompileErrorTests).GetMethod(name, System.Reflection.BindingFlags.Static | System.Reflection.BindingFlags.NonPublic)!;
}
