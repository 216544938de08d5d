using System.Collections.Concurrent;
using System.Reflection;
using OllmNative.Runtime.Compiler.Il;
using OllmNative.Runtime.Compiler.Ir;

namespace OllmNative.Runtime.Compiler.Frontend;

/// <summary>A call of a method that the compiler knows.</summary>
internal sealed record IntrinsicCall(Translation Shared, MethodTranslator Translator, MethodBase Method, StackValue[] Args, IlPlace Place)
{
    public IrBuilder B => Shared.Builder;

    public KernelIr Kernel => Shared.Kernel;

    /// <summary>First type argument of the method, or of its type.</summary>
    public Type TypeArgument => Method is MethodInfo { IsGenericMethod: true } ? Method.GetGenericArguments()[0] : Method.DeclaringType!.GetGenericArguments()[0];

    /// <summary>An argument that is one register; a one-field struct such as Index1D counts, and so does a reference to one.</summary>
    public Value Arg(int index) => Args[index] switch
    {
        Scalar scalar => scalar.Value.Resolve(),
        StructValue { Leaves.Length: 1 } structure => structure.Leaves[0].Resolve(),
        VariableRef reference when TypeLayout.Of(reference.Type).Leaves.Count == 1 => Shared.ReadSlot(reference.Variable.Slots[reference.Start]),
        _ => throw Place.Error($"{Translation.Describe(Args[index])} as argument of {Method.Name}"),
    };

    /// <summary>An argument that must be memory: an atomic's target.</summary>
    public Value Address(int index) => Args[index] is Scalar { Value: var value } && value.Resolve().Type == IrType.Ptr
        ? value.Resolve()
        : throw Place.Error($"{IlPlace.NameOf(Method)} needs an element of a view, not {Translation.Describe(Args[index])}");

    /// <summary>A view argument's address and length.</summary>
    public (Value Pointer, Value Length) View(int index)
    {
        Value[] leaves = Args[index] switch
        {
            StructValue { Leaves.Length: 2 } view => view.Leaves,
            VariableRef view => [Shared.ReadSlot(view.Variable.Slots[view.Start]), Shared.ReadSlot(view.Variable.Slots[view.Start + 1])],
            _ => throw Place.Error($"{Translation.Describe(Args[index])} is used as a view"),
        };
        return (leaves[0].Resolve(), leaves[1].Resolve());
    }

    public static StackValue ViewOf(Type type, Value pointer, Value length) => new StructValue(type, [pointer, length]);

    public Type ReturnType => ((MethodInfo)Method).ReturnType;

    public int SizeOf(Type type)
    {
        TypeLayout layout = TypeLayout.Of(type);
        return layout.Refusal is { } refusal ? throw Place.Error(refusal) : layout.Size;
    }

    public StackValue Result(Value value) => new Scalar(value.Type == IrType.I1 ? B.Emit(Op.ZeroExtend, IrType.I32, value) : value);
}

/// <summary>
/// The methods of the kernel language, and of .NET's mathematics, that become instructions instead of being inlined.
/// Keyed by type and method name; overloads share an entry and look at their arguments.
/// </summary>
internal static class Intrinsics
{
    private static readonly Dictionary<string, Func<IntrinsicCall, StackValue?>> Table = Build();

    private static readonly ConcurrentDictionary<MethodBase, Func<IntrinsicCall, StackValue?>?> Known = new();

    public static Func<IntrinsicCall, StackValue?>? Find(MethodBase method) => Known.GetOrAdd(method, Lookup);

    private static Func<IntrinsicCall, StackValue?>? Lookup(MethodBase method)
    {
        if (method.DeclaringType is { FullName: "System.Diagnostics.Debug" or "System.Diagnostics.Trace", Name: var checks }) return Table.GetValueOrDefault($"{checks}.{method.Name}");
        if (method.DeclaringType is not { } type || (type.Assembly != typeof(Intrinsics).Assembly && type.Assembly != typeof(object).Assembly)) return null;
        // float.Min and the like are the functions of MathF and Math.
        string owner = type.Assembly != typeof(object).Assembly ? type.Name : type == typeof(float) ? "MathF" : type.IsPrimitive ? "Math" : type.Name;
        if (owner == "Half" && type != typeof(Half)) return null;
        return Table.GetValueOrDefault($"{owner}.{method.Name}");
    }

    private static Dictionary<string, Func<IntrinsicCall, StackValue?>> Build()
    {
        var table = new Dictionary<string, Func<IntrinsicCall, StackValue?>>();
        GroupIntrinsics.Add(table);
        MemoryIntrinsics.Add(table);
        MathIntrinsics.Add(table);
        TensorIntrinsics.Add(table);
        HopperIntrinsics.Add(table);
        AddTypes(table);
        return table;
    }

    private static void AddTypes(Dictionary<string, Func<IntrinsicCall, StackValue?>> table)
    {
        table["Type.GetTypeFromHandle"] = call => call.Args[0];
        table["Type.op_Equality"] = call => call.Result(call.Kernel.Bool(TypeOf(call, 0) == TypeOf(call, 1)));
        table["Type.op_Inequality"] = call => call.Result(call.Kernel.Bool(TypeOf(call, 0) != TypeOf(call, 1)));
        table["Activator.CreateInstance"] = New;
        table["Unsafe.SizeOf"] = call => call.Result(call.Kernel.Int(call.SizeOf(call.TypeArgument)));
        table["Unsafe.As"] = call => call.Args[0];
        table["Interop.SizeOf"] = table["Unsafe.SizeOf"];
        table["SpecializedValue`1.get_Value"] = call => call.Translator.LoadFrom(call.Args[0], call.TypeArgument);
        table["SpecializedValue`1.op_Implicit"] = call => call.Args[0] is StructValue value ? Translation.FromLeaves(call.TypeArgument, value.Leaves) : call.Args[0];
        foreach (string name in new[] { "OutOfRange", "OutOfRange2D", "OutOfRange3D", "BadSubView" }) table[$"ViewErrors.{name}"] = _ => null; // the emulator's checks
        // What the emulator prints and checks; a device leaves it out.
        foreach (string name in new[] { "Interop.Write", "Interop.WriteLine", "Debug.Assert", "Debug.Write", "Debug.WriteLine", "Trace.Assert" }) table[name] = _ => null;
        table["Interop.OffsetOf"] = OffsetOf;
    }

    /// <summary>new T() of a type parameter.</summary>
    private static StackValue New(IntrinsicCall call) => call.TypeArgument.GetConstructor(Type.EmptyTypes) is { } constructor
        ? call.Translator.Construct(constructor, new StackValue[1])
        : call.Shared.Zero(call.TypeArgument);

    private static StackValue OffsetOf(IntrinsicCall call)
    {
        if (call.Args[0] is not TextValue { Text: var field }) throw call.Place.Error("the name of the field must be a constant");
        return call.Result(call.Kernel.Int(TypeLayout.Of(call.TypeArgument).OffsetOf(field) ?? throw call.Place.Error($"{IlPlace.NameOf(call.TypeArgument)} has no field {field}")));
    }

    private static Type TypeOf(IntrinsicCall call, int index) =>
        call.Args[index] is TypeValue type ? type.Type : throw call.Place.Error("types are compared only as typeof(A) == typeof(B)");
}
