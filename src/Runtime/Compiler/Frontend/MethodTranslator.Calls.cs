using System.Reflection;
using OllmNative.Runtime.Compiler.Il;
using OllmNative.Runtime.Compiler.Ir;
using OllmNative.Runtime.Compiler.Library;

namespace OllmNative.Runtime.Compiler.Frontend;

/// <summary>Calls: intrinsics become instructions, everything else is inlined.</summary>
internal sealed partial class MethodTranslator
{
    private bool Call(IlInstruction il, string name)
    {
        switch (name)
        {
            case "constrained.":
                _constrained = (Type)il.Operand!;
                return true;
            case "call" or "callvirt":
                CallMethod((MethodBase)il.Operand!);
                return true;
            case "newobj":
                NewStruct((ConstructorInfo)il.Operand!);
                return true;
            default:
                return false;
        }
    }

    private void CallMethod(MethodBase method)
    {
        Type? constrained = _constrained;
        _constrained = null;
        if (constrained is not null) method = Implementation(constrained, method);
        StackValue[] arguments = PopArguments(method);
        StackValue? result = Invoke(method, arguments);
        if (method is MethodInfo { ReturnType: var type } && type != typeof(void))
            Push(result ?? throw _place.Error($"{IlPlace.NameOf(method)} gives no value"));
    }

    private StackValue[] PopArguments(MethodBase method)
    {
        Type[] types = IlGraph.ArgumentsOf(method);
        var arguments = new StackValue[types.Length];
        for (int i = types.Length - 1; i >= 0; i--)
        {
            StackValue value = Pop();
            // IL passes a bool or an int as it lies on the stack; registers must have the parameter's type.
            if (value is Scalar scalar && TypeLayout.Of(types[i]) is { IsScalar: true } layout && layout.Leaves[0].Type != IrType.Ptr)
                value = new Scalar(_shared.Coerce(scalar.Value.Resolve(), layout.Leaves[0].Type, _place));
            arguments[i] = value;
        }
        return arguments;
    }

    internal StackValue? Invoke(MethodBase method, StackValue[] arguments)
    {
        if (DeviceLibrary.Find(method) is { } counterpart)
        {
            if (method.DeclaringType == typeof(Language.Atomic)) _ = new IntrinsicCall(_shared, this, method, arguments, _place).Address(0);
            return Inline(_shared, counterpart, arguments, _place);
        }
        if (Intrinsics.Find(method) is { } intrinsic) return intrinsic(new IntrinsicCall(_shared, this, method, arguments, _place));
        if (!method.IsStatic && !method.DeclaringType!.IsValueType)
            throw _place.Error($"{IlPlace.NameOf(method)} is a method of the class {IlPlace.NameOf(method.DeclaringType)}; kernels call static methods and methods of structs");
        if (method.GetMethodBody() is null || IsSystem(method))
            throw _place.Error($"{IlPlace.NameOf(method)} has no counterpart in kernels");
        return Inline(_shared, method, arguments, _place);
    }

    /// <summary>
    /// Library code is not written for devices; what is useful of it is an intrinsic. Plain structs are fine, and the operators of numbers that
    /// generic mathematics calls, most of which have the names of their interfaces.
    /// </summary>
    private static bool IsSystem(MethodBase method)
    {
        if (method.Module.Assembly != typeof(object).Assembly || method.DeclaringType is not { } type) return false;
        bool plain = type.IsGenericType && (type.Name.StartsWith("ValueTuple`", StringComparison.Ordinal) || type.Name.StartsWith("Nullable`", StringComparison.Ordinal));
        bool isOperator = type.IsPrimitive && (method.Name.StartsWith("System.Numerics.", StringComparison.Ordinal) || method.Name.StartsWith("op_", StringComparison.Ordinal));
        return !plain && !isOperator;
    }

    /// <summary>The method that an interface call on a struct means; also static abstract ones.</summary>
    private MethodInfo Implementation(Type type, MethodBase method)
    {
        if (method.DeclaringType is not { IsInterface: true } contract)
        {
            if (!type.IsValueType) throw _place.Error($"a virtual call of {IlPlace.NameOf(method)}");
            const BindingFlags any = BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic;
            return type.GetMethod(method.Name, any, [.. method.GetParameters().Select(p => p.ParameterType)]) is { } own && own.DeclaringType == type
                ? own
                : throw _place.Error($"{IlPlace.NameOf(type)} does not define {method.Name}; boxing is not part of the kernel language");
        }
        if (!type.IsValueType) throw _place.Error($"a virtual call of {IlPlace.NameOf(method)}");
        MethodBase definition = method is MethodInfo { IsGenericMethod: true } generic ? generic.GetGenericMethodDefinition() : method;
        InterfaceMapping map = type.GetInterfaceMap(contract);
        int at = Array.FindIndex(map.InterfaceMethods, candidate => candidate.MetadataToken == definition.MetadataToken);
        MethodInfo target = at >= 0 ? map.TargetMethods[at] : throw _place.Error($"{IlPlace.NameOf(type)} does not implement {IlPlace.NameOf(method)}");
        return method is MethodInfo { IsGenericMethod: true } called ? target.MakeGenericMethod(called.GetGenericArguments()) : target;
    }

    private void NewStruct(ConstructorInfo constructor)
    {
        Type type = constructor.DeclaringType!;
        if (!type.IsValueType) throw _place.Error($"new {IlPlace.NameOf(type)}: class instances are not part of the kernel language");
        _stack.Insert(_stack.Count - constructor.GetParameters().Length, new TextValue("this")); // holds the place of the reference
        Push(Construct(constructor, PopArguments(constructor)));
    }

    /// <summary>A new struct; <paramref name="arguments"/> start with an unused place for the reference to it.</summary>
    internal StackValue Construct(ConstructorInfo constructor, StackValue[] arguments)
    {
        Type type = constructor.DeclaringType!;
        var made = new Variable(Layout(type));
        _shared.Clear(made, 0, made.Slots.Length);
        arguments[0] = new VariableRef(made, 0, type);
        Invoke(constructor, arguments);
        return _shared.Read(made);
    }
}
