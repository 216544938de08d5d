using System.Collections.Concurrent;
using System.Reflection;

namespace OllmNative.Runtime.Compiler.Library;

/// <summary>
/// Functions of .NET that no device has as an instruction, written in the kernel language: the compiler inlines them where a kernel calls
/// .NET's. A counterpart has the same name and parameters; all are static methods of <see cref="DeviceMath"/> and <see cref="DeviceAtomic"/>.
/// </summary>
internal static class DeviceLibrary
{
    private static readonly Dictionary<string, MethodInfo> Maths = Methods(typeof(DeviceMath)), Atomics = Methods(typeof(DeviceAtomic));
    private static readonly ConcurrentDictionary<MethodBase, MethodInfo?> Known = new();

    /// <summary>What stands for a method in kernels, or null.</summary>
    public static MethodInfo? Find(MethodBase method) => Known.GetOrAdd(method, static asked => asked.DeclaringType switch
    {
        { Name: "Math" or "MathF" or "BitOperations" or "Single" or "Double" or "Int32" or "Int64", Namespace: "System" or "System.Numerics" } => Maths.GetValueOrDefault(Signature(asked)),
        { Name: "XMath" or "IntrinsicMath" } type when type.Assembly == typeof(DeviceLibrary).Assembly => Maths.GetValueOrDefault(Signature(asked)),
        { Name: "Atomic" } type when type.Assembly == typeof(DeviceLibrary).Assembly => Atomics.GetValueOrDefault(Signature(asked)),
        _ => null,
    });

    private static Dictionary<string, MethodInfo> Methods(Type type) => type.GetMethods(BindingFlags.Static | BindingFlags.Public).ToDictionary(Signature);

    private static string Signature(MethodBase method) => $"{method.Name}({string.Join(',', method.GetParameters().Select(parameter => parameter.ParameterType.Name))})";
}
