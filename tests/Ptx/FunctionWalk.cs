using System.Reflection;
using System.Reflection.Emit;
using System.Runtime.Loader;
using OllmNative.Runtime.Language;

namespace OllmNative.Tests.Ptx;

/// <summary>
/// For each method of a list a kernel that calls it for every thread: <c>result[i] = M(a[i], b[i], ...)</c>. A reference or out parameter is an
/// element of its view; generic methods are taken for int.
/// </summary>
internal static class FunctionWalk
{
    /// <summary>Kernels in the order of the methods, as methods K0, K1, ... of one type.</summary>
    public static MethodInfo[] Kernels(MethodInfo[] methods)
    {
        var assembly = new PersistedAssemblyBuilder(new AssemblyName("FunctionWalk"), typeof(object).Assembly);
        TypeBuilder type = assembly.DefineDynamicModule("FunctionWalk").DefineType("Kernels", TypeAttributes.Public | TypeAttributes.Abstract | TypeAttributes.Sealed);
        for (int i = 0; i < methods.Length; i++) Define(type, $"K{i}", methods[i]);
        type.CreateType();
        using var stream = new MemoryStream();
        assembly.Save(stream);
        stream.Position = 0;
        Type made = new AssemblyLoadContext(null).LoadFromStream(stream).GetType("Kernels")!;
        return [.. Enumerable.Range(0, methods.Length).Select(i => made.GetMethod($"K{i}")!)];
    }

    /// <summary>The element types of a kernel's views: one for each parameter, then the result's unless there is none.</summary>
    public static Type[] Elements(MethodInfo method)
    {
        IEnumerable<Type> types = method.GetParameters().Select(parameter => Plain(parameter.ParameterType));
        return [.. method.ReturnType == typeof(void) ? types : types.Append(Plain(method.ReturnType))];
    }

    private static Type Plain(Type type) => type.IsByRef ? Plain(type.GetElementType()!) : type.IsEnum ? Enum.GetUnderlyingType(type) : type;

    private static void Define(TypeBuilder type, string name, MethodInfo method)
    {
        Type[] views = [.. Elements(method).Select(element => typeof(ArrayView<>).MakeGenericType(element))];
        MethodBuilder kernel = type.DefineMethod(name, MethodAttributes.Public | MethodAttributes.Static, typeof(void), views);
        for (int p = 0; p < views.Length; p++) kernel.DefineParameter(p + 1, ParameterAttributes.None, $"v{p}");
        ILGenerator il = kernel.GetILGenerator();
        bool returns = method.ReturnType != typeof(void);
        if (returns) Element(il, views.Length - 1, views[^1]);
        ParameterInfo[] parameters = method.GetParameters();
        for (int p = 0; p < parameters.Length; p++)
        {
            Element(il, p, views[p]);
            if (!parameters[p].ParameterType.IsByRef) il.Emit(OpCodes.Ldobj, views[p].GetGenericArguments()[0]);
        }
        il.Emit(OpCodes.Call, method);
        if (returns) il.Emit(OpCodes.Stobj, views[^1].GetGenericArguments()[0]);
        il.Emit(OpCodes.Ret);
    }

    private static void Element(ILGenerator il, int argument, Type view)
    {
        il.Emit(OpCodes.Ldarga, argument);
        il.Emit(OpCodes.Call, typeof(Group).GetProperty("IdxX")!.GetMethod!);
        il.Emit(OpCodes.Call, view.GetMethod("get_Item", [typeof(int)])!);
    }
}
