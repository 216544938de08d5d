using System.Reflection;

namespace OllmNative.Runtime.Compiler.Il;

/// <summary>A place in a method's IL, for messages.</summary>
internal sealed record IlPlace(MethodBase Method, int Offset)
{
    public KernelCompileException Error(string reason) => new(reason, NameOf(Method), Offset, SourceLines.Find(Method, Offset));

    public static string NameOf(MethodBase method) => method.DeclaringType is { } type ? $"{NameOf(type)}.{method.Name}" : method.Name;

    public static string NameOf(Type type)
    {
        if (!type.IsGenericType) return type.Name;
        string name = type.Name.Split('`')[0];
        return $"{name}<{string.Join(", ", type.GetGenericArguments().Select(NameOf))}>";
    }
}
