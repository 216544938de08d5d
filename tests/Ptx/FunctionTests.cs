using System.Globalization;
using System.Reflection;
using OllmNative.Runtime.Compiler;
using OllmNative.Runtime.Language;

namespace OllmNative.Tests.Ptx;

/// <summary>Every function of the language's public surface: compiled, interpreted, and compared with what .NET computes.</summary>
public sealed class FunctionTests
{
    private const BindingFlags Declared = BindingFlags.Public | BindingFlags.Static | BindingFlags.DeclaredOnly;

    /// <summary>Approximated functions of float, with the error that is allowed; all others must agree to 4 units in the last place or exactly.</summary>
    private static readonly Dictionary<string, double> FloatErrors = new()
    {
        ["Sin"] = 2e-6, ["Cos"] = 2e-6, ["Exp"] = 6e-7, ["Exp2"] = 3e-7, ["Tanh"] = 1e-6, ["Rsqrt"] = 3e-7, ["Sinh"] = 1e-6, ["Cosh"] = 1e-6, ["Log"] = 4e-7,
    };

    private static MethodInfo[] Methods(Type type) =>
        [.. type.GetMethods(Declared).Select(method => method.IsGenericMethodDefinition && method.GetGenericArguments().Length == 1 ? method.MakeGenericMethod([.. method.GetGenericArguments().Select(_ => typeof(int))]) : method)];

    [Theory]
    [InlineData(typeof(XMath))]
    [InlineData(typeof(IntrinsicMath))]
    [InlineData(typeof(MoreMath))]
    public void Mathematics_EveryMethod_GivesDotNetsValues(Type type)
    {
        MethodInfo[] methods = Methods(type), kernels = FunctionWalk.Kernels(methods);
        Assert.NotEmpty(methods);
        var failures = new List<string>();
        for (int i = 0; i < methods.Length; i++) Check(methods[i], kernels[i], failures);
        Assert.True(failures.Count == 0, string.Join('\n', failures));
    }

    [Fact]
    public void Atomic_EveryMethod_DoesWhatDotNetDoes()
    {
        // Atomics of a caller's own operation have a sample program.
        MethodInfo[] methods = [.. Methods(typeof(Atomic)).Where(method => method.Name != nameof(Atomic.MakeAtomic))], kernels = FunctionWalk.Kernels(methods);
        var failures = new List<string>();
        for (int i = 0; i < methods.Length; i++) Check(methods[i], kernels[i], failures);
        Assert.True(failures.Count == 0, string.Join('\n', failures));
    }

    [Theory]
    [InlineData(typeof(Group))]
    [InlineData(typeof(Grid))]
    [InlineData(typeof(Warp))]
    [InlineData(typeof(MemoryFence))]
    public void GroupsAndWarps_EveryMethod_Compiles(Type type)
    {
        MethodInfo[] methods = Methods(type);
        foreach (MethodInfo kernel in FunctionWalk.Kernels(methods)) PtxModule.Parse(KernelCompiler.Compile(kernel).Ptx);
    }

    [Theory]
    [InlineData(nameof(Unknown), "MathF.Acosh", "no counterpart")]
    [InlineData(nameof(AtomicOnALocal), "Atomic.Max", "element of a view")]
    public void Compile_FunctionOutsideTheLanguage_NamesIt(string kernel, string function, string reason)
    {
        var error = Assert.Throws<KernelCompileException>(() => KernelCompiler.Compile(typeof(FunctionTests).GetMethod(kernel, BindingFlags.Static | BindingFlags.NonPublic)!));
        Assert.Contains(function, error.Message, StringComparison.Ordinal);
        Assert.Contains(reason, error.Message, StringComparison.Ordinal);
        Assert.Equal($"FunctionTests.{kernel}", error.Method);
    }

    private static void Unknown(ArrayView<float> view) => view[0] = MathF.Acosh(view[0]);

    private static void AtomicOnALocal(ArrayView<float> view)
    {
        float largest = 0;
        Atomic.Max(ref largest, view[0]);
        view[0] = largest;
    }

    private static void Check(MethodInfo method, MethodInfo kernel, List<string> failures)
    {
        Type[] elements = FunctionWalk.Elements(method);
        ParameterInfo[] parameters = method.GetParameters();
        Array[] views = [.. elements.Select((element, p) => p < parameters.Length ? Samples.Of(element, parameters[p], p) : Array.CreateInstance(element, Samples.Count))];
        Array[] expected = [.. views.Select(view => (Array)view.Clone())];
        for (int t = 0; t < Samples.Count; t++)
        {
            object?[] arguments = [.. expected.Take(parameters.Length).Select(view => view.GetValue(t))];
            for (int p = 0; p < parameters.Length; p++)
                if (parameters[p].ParameterType.IsEnum) arguments[p] = Enum.ToObject(parameters[p].ParameterType, arguments[p]!);
            object? result = method.Invoke(null, arguments);
            for (int p = 0; p < parameters.Length; p++)
                if (parameters[p].ParameterType.IsByRef) expected[p].SetValue(arguments[p], t);
            if (result is not null) expected[^1].SetValue(result, t);
        }
        try
        {
            CompiledKernel compiled = KernelCompiler.Compile(kernel);
            PtxRun.Launch(compiled, new Dim3(1), new Dim3(Samples.Count), [.. views]);
        }
        catch (Exception error) when (error is KernelCompileException or PtxException or KeyNotFoundException)
        {
            failures.Add($"{method}: {error.Message}");
            return;
        }
        for (int p = 0; p < views.Length; p++)
            for (int t = 0; t < Samples.Count; t++)
                if (!Close(method, expected[p].GetValue(t)!, views[p].GetValue(t)!))
                    failures.Add($"{method} of ({string.Join(", ", expected.Take(parameters.Length).Select((view, q) => q == p ? "..." : Text(view.GetValue(t)!)))}): {Text(views[p].GetValue(t)!)} instead of {Text(expected[p].GetValue(t)!)}");
    }

    private static string Text(object value) => string.Create(CultureInfo.InvariantCulture, $"{value}");

    private static bool Close(MethodInfo method, object expected, object actual) => (expected, actual) switch
    {
        (float e, float a) => Near(e, a, FloatErrors.TryGetValue(method.Name.Replace("SinCos", "Sin", StringComparison.Ordinal), out double error) ? error : 2.4e-7, method.Name is "Sin" or "Cos" or "SinCos"),
        (double e, double a) => Near(e, a, method.Name is "Pow" ? 2e-15 : 9e-16, method.Name is "Sin" or "Cos" or "SinCos" or "Tan"),
        _ => expected.Equals(actual),
    };

    private static bool Near(double expected, double actual, double error, bool absolute) =>
        expected.Equals(actual) || Math.Abs(expected - actual) <= error * (absolute ? Math.Max(1, Math.Abs(expected)) : Math.Abs(expected));

    /// <summary>What a kernel may call beside XMath; the emulator runs .NET's.</summary>
    private static class MoreMath
    {
        public static float Cbrt(float x) => MathF.Cbrt(x);
        public static double Cbrt(double x) => Math.Cbrt(x);
        public static float Modulo(float x, float y) => x % y;
        public static double Modulo(double x, double y) => x % y;
        public static float Largest(float x, float y) => float.Max(x, y);
        public static int Signed(int x) => int.Sign(x);
        public static uint Rotated(uint x, int by) => System.Numerics.BitOperations.RotateLeft(x, by);
        public static ulong Rotated(ulong x, int by) => System.Numerics.BitOperations.RotateRight(x, by);
        public static bool Negative(float x) => float.IsNegative(x);
        public static bool Finite(double x) => double.IsFinite(x);
        public static float ThroughHalf(float x) => (float)(OllmNative.Runtime.Language.Half)x;
        public static bool HalfLess(float x, float y) => (OllmNative.Runtime.Language.Half)x < (OllmNative.Runtime.Language.Half)y;
        public static ushort HalfBits(float x) => Interop.FloatAsInt((OllmNative.Runtime.Language.Half)x);
        public static float SumOfHalves(float x, float y) => (OllmNative.Runtime.Language.Half)x + (OllmNative.Runtime.Language.Half)y;
    }

    /// <summary>Arguments: edges, ordinary values, large ones.</summary>
    private static class Samples
    {
        public const int Count = 96;

        private static readonly double[] Edges = [0, -0.0, 1, -1, double.PositiveInfinity, double.NegativeInfinity, double.NaN, 0.5, -0.5, 2.5, -2.5, 1e-40, 1e-30, 3, 1.0000001];

        public static Array Of(Type element, ParameterInfo parameter, int position)
        {
            var random = new Random(position + 11);
            Array array = Array.CreateInstance(element, Count);
            for (int t = 0; t < Count; t++)
            {
                double real = t < Edges.Length ? Edges[t] : t < 30 ? Edges[random.Next(Edges.Length)] : (random.NextDouble() * 2 - 1) * Math.Pow(10, random.Next(-3, 3));
                long whole = t % 3 == 0 ? random.Next(-20, 20) : random.NextInt64();
                array.SetValue(Value(element, parameter, real, whole), t);
            }
            return array;
        }

        private static object Value(Type element, ParameterInfo parameter, double real, long whole)
        {
            if (parameter.ParameterType.IsEnum) return (int)((ulong)whole % 5);
            if (parameter.Name == "digits") return (int)((ulong)whole % 5);
            if (element == typeof(float)) return parameter.Member.Name is "Sign" && double.IsNaN(real) ? 0f : (float)real;
            if (element == typeof(double)) return parameter.Member.Name is "Sign" && double.IsNaN(real) ? 0.0 : real;
            if (element == typeof(bool)) return (whole & 1) != 0;
            if (element == typeof(Index1D)) return new Index1D((int)whole);
            if (element == typeof(IntrinsicMath.IntegerParts)) return new IntrinsicMath.IntegerParts((ulong)whole);
            // No overflow: .NET's Abs throws for it, and a division by zero has no result.
            if (parameter.Name is "denominator" or "numerator") return element == typeof(int) ? (object)((int)(whole >> 34 & 0xffff) + 1) : (whole >> 20 & 0xffffff) + 1;
            if (parameter.Name is "min") whole = -Math.Abs(whole >> 1) >> 60;
            if (parameter.Name is "max") whole = Math.Abs(whole >> 1) >> 50;
            return unchecked(element == typeof(sbyte) ? (sbyte)(whole % 100) : element == typeof(byte) ? (byte)whole : element == typeof(short) ? (short)(whole % 10000)
                : element == typeof(ushort) ? (ushort)whole : element == typeof(int) ? (int)whole | 1 : element == typeof(uint) ? (uint)whole : element == typeof(ulong) ? (object)(ulong)whole : whole | 1);
        }
    }
}
