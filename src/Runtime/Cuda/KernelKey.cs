using System.Collections.Concurrent;
using System.Globalization;
using System.Reflection;
using System.Security.Cryptography;
using System.Text;
using OllmNative.Runtime.Compiler;
using OllmNative.Runtime.Compiler.Ptx;
using OllmNative.Runtime.Language;

namespace OllmNative.Runtime.Cuda;

/// <summary>Names of cache entries: hashes over everything that the entry depends on.</summary>
internal static class KernelKey
{
    private static readonly ConcurrentDictionary<Assembly, string> Builds = new();

    /// <summary>
    /// A kernel and how it is compiled. The method's IL is known by its module's version id, which a compiler derives from all of the
    /// module's contents; so are the methods that it may call, in the assemblies that its own refers to, and our compiler.
    /// </summary>
    public static string OfMethod(KernelEntry entry, KernelCompileOptions options, bool hopper)
    {
        MethodInfo method = entry.Method;
        var text = new StringBuilder("kernel text 1\n");
        text.Append(method.DeclaringType!.AssemblyQualifiedName).Append('\n').Append(method).Append('\n');
        text.Append(CultureInfo.InvariantCulture, $"{method.MetadataToken:x8}\n");
        foreach (Type argument in method.GetGenericArguments().Concat(method.DeclaringType.GetGenericArguments()))
            text.Append(argument.AssemblyQualifiedName).Append('\n').Append(Build(argument.Assembly)).Append('\n');
        text.Append(Build(method.Module.Assembly)).Append('\n').Append(Build(typeof(KernelKey).Assembly)).Append('\n').Append(Environment.Version).Append('\n');
        text.Append(CultureInfo.InvariantCulture, $"{options.Target.Name()} {hopper} {options.FuseMultiplyAdd} {options.AllowDouble} {options.MaxThreads}");
        text.Append(CultureInfo.InvariantCulture, $" {options.MinGroups} {entry.IndexType}\n");
        foreach ((int index, object value) in options.Specializations.OrderBy(pair => pair.Key))
            text.Append(CultureInfo.InvariantCulture, $"{index} {value.GetType()} {ConstantText(value)}\n");
        return Hash(text.ToString());
    }

    /// <summary>Machine code: its PTX, the GPU, the driver that makes it.</summary>
    public static string OfImage(string ptx, CudaArchitecture architecture, int driver) =>
        Hash(string.Create(CultureInfo.InvariantCulture, $"kernel image 1\n{architecture} {driver}\n{ptx}"));

    /// <summary>A note: what it is about, the GPU, the driver.</summary>
    public static string OfNote(string subject, string gpu, CudaArchitecture architecture, int driver) =>
        Hash(string.Create(CultureInfo.InvariantCulture, $"note 1\n{gpu} {architecture} {driver}\n{subject}"));

    private static string Hash(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)));

    /// <summary>The bits of a value, field by field.</summary>
    private static string ConstantText(object value) => value switch
    {
        float number => BitConverter.SingleToUInt32Bits(number).ToString("x8", CultureInfo.InvariantCulture),
        double number => BitConverter.DoubleToUInt64Bits(number).ToString("x16", CultureInfo.InvariantCulture),
        Enum or IConvertible => Convert.ToString(Convert.ChangeType(value, Type.GetTypeCode(value.GetType()), CultureInfo.InvariantCulture), CultureInfo.InvariantCulture)!,
        _ => string.Join(',', value.GetType().GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic)
            .Select(field => ConstantText(field.GetValue(value)!))),
    };

    /// <summary>An assembly's build and those of what it refers to, without the framework's, which Environment.Version stands for.</summary>
    private static string Build(Assembly assembly) => Builds.GetOrAdd(assembly, static root =>
    {
        var seen = new HashSet<Assembly>();
        var open = new Stack<Assembly>([root]);
        while (open.TryPop(out Assembly? next))
        {
            if (!seen.Add(next)) continue;
            foreach (AssemblyName name in next.GetReferencedAssemblies())
                if (!IsFramework(name) && TryLoad(name) is { } referenced) open.Push(referenced);
        }
        return string.Join(' ', seen.Select(each => $"{each.GetName().Name}:{each.ManifestModule.ModuleVersionId:N}").Order(StringComparer.Ordinal));
    });

    private static bool IsFramework(AssemblyName name) => name.Name is "mscorlib" or "netstandard"
        || name.Name!.StartsWith("System.", StringComparison.Ordinal) || name.Name == "System" || name.Name.StartsWith("Microsoft.", StringComparison.Ordinal);

    private static Assembly? TryLoad(AssemblyName name)
    {
        try
        {
            return Assembly.Load(name);
        }
        catch (IOException)
        {
            // A reference that is not there cannot be called by a kernel either.
            return null;
        }
    }
}
