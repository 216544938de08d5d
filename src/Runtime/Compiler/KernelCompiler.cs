using System.Reflection;
using OllmNative.Runtime.Compiler.Frontend;
using OllmNative.Runtime.Compiler.Il;
using OllmNative.Runtime.Compiler.Ir;
using OllmNative.Runtime.Compiler.Passes;
using OllmNative.Runtime.Compiler.Ptx;
using OllmNative.Runtime.Extensions;
using OllmNative.Runtime.Language;

namespace OllmNative.Runtime.Compiler;

/// <summary>Kernels from IL to PTX: see docs/il-to-ptx.md for the stages.</summary>
public static class KernelCompiler
{
    /// <summary>Compiles a static method of the kernel language.</summary>
    /// <param name="method">The kernel; type arguments filled in.</param>
    /// <param name="options">Null: the defaults.</param>
    /// <exception cref="KernelCompileException">The method, or one that it calls, is outside the language.</exception>
    public static CompiledKernel Compile(MethodInfo method, KernelCompileOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(method);
        options ??= new KernelCompileOptions();
        if (options.MaxThreads is null && method.GetCustomAttribute<GroupBoundsAttribute>() is { } bounds)
            options = options with { MaxThreads = bounds.Threads, MinGroups = options.MinGroups ?? bounds.Groups };
        KernelIr kernel = Optimise(method, options);
        (string ptx, int sharedBytes, bool dynamicShared) = PtxEmitter.Emit(kernel, options.Target, options.MaxThreads, options.MinGroups);
        KernelParameter[] parameters = [.. kernel.Parameters.Select(parameter => new KernelParameter(parameter.Name, parameter.Type.Text()))];
        return new CompiledKernel(kernel.Name, method, options.Target, ptx, options, parameters, sharedBytes, dynamicShared);
    }

    /// <summary>The kernel as the passes leave it.</summary>
    internal static KernelIr Optimise(MethodInfo method, KernelCompileOptions options)
    {
        KernelIr kernel = Translate(method, options);
        Optimizer.Run(kernel, options.FuseMultiplyAdd);
        if (!options.AllowDouble && !MentionsDouble(method)) RefuseDouble(kernel);
        return kernel;
    }

    /// <summary>The kernel as the translator leaves it, before the passes.</summary>
    internal static KernelIr Translate(MethodInfo method, KernelCompileOptions options)
    {
        var place = new IlPlace(method, -1);
        if (!method.IsStatic) throw place.Error("a kernel is a static method; a lambda or an instance method is not");
        if (method.ReturnType != typeof(void)) throw place.Error("a kernel returns nothing; results go into views");
        if (method.ContainsGenericParameters) throw place.Error("the kernel's type arguments must be filled in");
        var kernel = new KernelIr(EntryName(method));
        var shared = new Translation(kernel);
        shared.Builder.Block = kernel.NewBlock();
        shared.Variables.Seal(shared.Builder.Block);
        StackValue[] arguments = [.. method.GetParameters().Select((parameter, i) => Parameter(shared, parameter, i, options, place))];
        if (options.ImplicitIndex) arguments[0] = GlobalIndex(shared, arguments[0], place);
        MethodTranslator.Inline(shared, method, arguments, place);
        SsaVariables.DropForwardedPhis(kernel);
        kernel.ResolveOperands();
        ControlFlow.Analyse(kernel);
        return kernel;
    }

    private static StackValue Parameter(Translation shared, ParameterInfo parameter, int index, KernelCompileOptions options, IlPlace place)
    {
        Type type = parameter.ParameterType;
        TypeLayout layout = TypeLayout.Of(type);
        if (layout.Refusal is { } refusal) throw place.Error($"parameter {parameter.Name}: {refusal}");
        if (type.IsByRef || type.IsPointer) throw place.Error($"parameter {parameter.Name} is a reference; pass a view");
        if (options.Specializations.TryGetValue(index, out object? value))
        {
            Value[] constants = shared.Constants(value, place);
            return constants.Length == layout.Leaves.Count
                ? Translation.FromLeaves(type, constants)
                : throw place.Error($"parameter {parameter.Name} is specialized with a {value.GetType().Name}");
        }
        Value[] leaves = [.. layout.Leaves.Select(leaf =>
            shared.Kernel.AddParameter(leaf.Path.Length == 0 ? parameter.Name! : $"{parameter.Name}_{leaf.Path}", leaf.Type))];
        return Translation.FromLeaves(type, leaves);
    }

    /// <summary>blockIdx * blockDim + threadIdx on each axis in place of the extent that was passed, and an end for threads beyond it.</summary>
    private static StructValue GlobalIndex(Translation shared, StackValue extent, IlPlace place)
    {
        if (extent is not StructValue { Leaves.Length: >= 1 and <= 3 } passed || !typeof(IIndex).IsAssignableFrom(passed.Type))
            throw place.Error("an implicitly grouped kernel starts with its index: Index1D, Index2D, Index3D or a long form");
        (IrBuilder b, KernelIr k) = (shared.Builder, shared.Kernel);
        Block end = k.NewBlock();
        var index = new Value[passed.Leaves.Length];
        for (int axis = 0; axis < index.Length; axis++)
        {
            Value at = b.Add(b.Mul(k.Special(SpecialRegister.CtaidX + axis), k.Special(SpecialRegister.NtidX + axis)), k.Special(SpecialRegister.TidX + axis));
            index[axis] = passed.Leaves[axis].Type == IrType.I64 ? b.Emit(Op.SignExtend, IrType.I64, at) : at;
            Block inside = k.NewBlock();
            b.Block.BranchTo(b.Compare(CompareKind.Lt, index[axis], passed.Leaves[axis]), inside, end);
            shared.Variables.Edge(b.Block, inside);
            shared.Variables.Seal(inside);
            b.Block = inside;
        }
        return new StructValue(passed.Type, index);
    }

    private static string EntryName(MethodInfo method)
    {
        string name = $"{method.DeclaringType?.Name}_{method.Name}";
        return string.Concat(name.Select(c => char.IsAsciiLetterOrDigit(c) ? c : '_'));
    }

    private static bool MentionsDouble(MethodInfo method) => method.GetParameters().Any(parameter => Mentions(parameter.ParameterType))
        || (method.IsGenericMethod && method.GetGenericArguments().Any(Mentions));

    private static bool Mentions(Type type) => type == typeof(double) || (type.IsGenericType && type.GetGenericArguments().Any(Mentions))
        || (type.IsValueType && !type.IsPrimitive && TypeLayout.Of(type).Leaves.Any(leaf => leaf.Type == IrType.F64));

    private static void RefuseDouble(KernelIr kernel)
    {
        foreach (Value value in kernel.Blocks.SelectMany(block => block.Body))
        {
            if (value.Type != IrType.F64 && !value.Args.Any(arg => arg.Type == IrType.F64)) continue;
            const string reason = "arithmetic in double in a kernel without double parameters: a literal without f, or Math instead of MathF? AllowDouble permits it";
            throw value.Place?.Error(reason) ?? new KernelCompileException(reason, kernel.Name, -1, null);
        }
    }
}
