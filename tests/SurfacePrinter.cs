using System.Reflection;
using System.Runtime.CompilerServices;

namespace OllmNative.Tests;

/// <summary>Prints public members as one line each, in C#'s words, so that two surfaces can be compared as text.</summary>
internal static class SurfacePrinter
{
    private static readonly Dictionary<Type, string> Keywords = new()
    {
        [typeof(void)] = "void", [typeof(bool)] = "bool", [typeof(byte)] = "byte", [typeof(sbyte)] = "sbyte", [typeof(short)] = "short",
        [typeof(ushort)] = "ushort", [typeof(int)] = "int", [typeof(uint)] = "uint", [typeof(long)] = "long", [typeof(ulong)] = "ulong",
        [typeof(float)] = "float", [typeof(double)] = "double", [typeof(string)] = "string", [typeof(object)] = "object",
    };

    /// <summary>The members that a type declares itself, without those that every object has.</summary>
    public static IEnumerable<string> Members(Type type)
    {
        const BindingFlags Declared = BindingFlags.Public | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly;
        string owner = Name(type);
        IEnumerable<string> lines =
        [
            .. type.GetConstructors(Declared & ~BindingFlags.Static).Where(c => c.GetParameters().Length > 0).Select(c => $"{owner}({Parameters(c)})"),
            .. type.GetFields(Declared).Where(f => !f.IsSpecialName).Select(f => $"{(f.IsStatic && !f.IsLiteral ? "static " : "")}{(f.IsInitOnly ? "readonly " : "")}{(f.IsLiteral ? "const " : "")}{Name(f.FieldType)} {f.Name}"),
            .. type.GetProperties(Declared).Select(Property),
            .. type.GetMethods(Declared).Where(m => !IsOrdinary(m)).Select(Method),
        ];
        return lines.Select(line => $"{owner} :: public {line}");
    }

    /// <summary>A line as it is compared: whether a method is virtual and what a constant is worth are nothing to its callers.</summary>
    public static string Normalise(string line)
    {
        line = line.Replace(" abstract ", " ", StringComparison.Ordinal).Replace(" virtual ", " ", StringComparison.Ordinal);
        return line.Contains(" const ", StringComparison.Ordinal) && line.IndexOf(" = ", StringComparison.Ordinal) is var at && at > 0 ? line[..at] : line;
    }

    private static bool IsOrdinary(MethodInfo method) =>
        method.Name is "ToString" or "Equals" or "GetHashCode" or "Dispose"
        || (method.IsSpecialName && !method.Name.StartsWith("op_", StringComparison.Ordinal));

    private static string Property(PropertyInfo property)
    {
        MethodInfo get = property.GetMethod!;
        string name = property.GetIndexParameters().Length > 0 ? $"this[{Parameters(get)}]" : property.Name;
        string set = property.SetMethod is { IsPublic: true } ? " set;" : "";
        return $"{(get.IsStatic ? "static " : "")}{Name(property.PropertyType)} {name} {{ get;{set} }}";
    }

    private static string Method(MethodInfo method)
    {
        string name = method.Name.StartsWith("op_", StringComparison.Ordinal) ? $"operator {method.Name[3..]}" : method.Name;
        Type[] generic = method.GetGenericArguments();
        string arguments = generic.Length > 0 ? $"<{string.Join(", ", generic.Select(Name))}>" : "";
        string self = method.IsDefined(typeof(ExtensionAttribute)) ? "this " : "";
        return $"{(method.IsStatic ? "static " : "")}{Name(method.ReturnType)} {name}{arguments}({self}{Parameters(method)}){string.Concat(generic.Select(Constraint))}";
    }

    private static string Parameters(MethodBase method) => string.Join(", ", method.GetParameters().Select(parameter =>
    {
        string way = !parameter.ParameterType.IsByRef ? "" : parameter.IsOut ? "out " : parameter.IsIn ? "in " : "ref ";
        Type type = parameter.ParameterType.IsByRef ? parameter.ParameterType.GetElementType()! : parameter.ParameterType;
        return $"{way}{Name(type)} {parameter.Name}";
    }));

    private static string Constraint(Type parameter)
    {
        bool unmanaged = parameter.CustomAttributes.Any(a => a.AttributeType.Name == "IsUnmanagedAttribute");
        bool isStruct = parameter.GenericParameterAttributes.HasFlag(GenericParameterAttributes.NotNullableValueTypeConstraint);
        IEnumerable<string> parts = unmanaged ? ["unmanaged"] : isStruct ? ["struct"] : [];
        parts = parts.Concat(parameter.GetGenericParameterConstraints().Where(c => c != typeof(ValueType) && c.GetElementType() is null).Select(Name).Where(c => c != "ValueType"));
        string text = string.Join(", ", parts);
        return text.Length > 0 ? $" where {parameter.Name} : {text}" : "";
    }

    private static string Name(Type type)
    {
        if (type.IsByRef) return $"ref {Name(type.GetElementType()!)}";
        if (type.IsArray) return $"{Name(type.GetElementType()!)}[{new string(',', type.GetArrayRank() - 1)}]";
        if (Keywords.TryGetValue(type, out string? keyword)) return keyword;
        if (Nullable.GetUnderlyingType(type) is { } underlying) return $"{Name(underlying)}?";
        if (type.IsGenericParameter) return type.Name;
        Type[] arguments = type.GetGenericArguments();
        int inherited = type.DeclaringType?.GetGenericArguments().Length ?? 0;
        Type? outer = inherited > 0 ? type.DeclaringType!.MakeGenericType(arguments[..inherited]) : type.DeclaringType;
        string prefix = outer is null ? "" : $"{Name(outer)}.";
        string name = type.Name.Split('`')[0];
        return prefix + (arguments.Length > inherited ? $"{name}<{string.Join(", ", arguments.Skip(inherited).Select(Name))}>" : name);
    }
}
