using System.Globalization;
using System.Reflection;
using System.Text.RegularExpressions;

namespace OllmNative.Kernels;

/// <summary>One kernel.</summary>
/// <param name="Name">The name by which it is asked for: its operation, and its version where it has several.</param>
/// <param name="Operation">What it computes.</param>
/// <param name="Version">Its version; 0 where there is only one.</param>
/// <param name="Contract">Equation with shapes, grid and group, preconditions, bytes and flops.</param>
/// <param name="Method">The static method.</param>
public sealed partial record KernelDescription(string Name, string Operation, int Version, string Contract, MethodInfo Method)
{
    /// <summary>Threads of a group that the contract asks for; null where any number will do.</summary>
    public int? Threads
    {
        get
        {
            if (Attribute.Threads > 0) return Attribute.Threads;
            Match group = GroupSize().Match(Contract);
            return group.Success ? Number(group.Groups[1]) * (group.Groups[2].Success ? Number(group.Groups[2]) : 1) : null;
        }
    }

    /// <summary>Bytes of dynamic shared memory that the contract asks for.</summary>
    public int DynamicShared
    {
        get
        {
            if (Attribute.DynamicShared > 0) return Attribute.DynamicShared;
            Match bytes = Dynamic().Match(Contract);
            return bytes.Success ? Number(bytes.Groups[1]) * (bytes.Groups[2].Value == "KB" ? 1024 : 1) : 0;
        }
    }

    private KernelAttribute Attribute => Method.GetCustomAttribute<KernelAttribute>()!;

    private static int Number(Capture group) => int.Parse(group.ValueSpan, NumberStyles.None, CultureInfo.InvariantCulture);

    [GeneratedRegex(@"\bgroup (\d+)\b(?: x (\d+))?")]
    private static partial Regex GroupSize();

    [GeneratedRegex(@"(?<![\d.] )\b(\d+) (bytes|KB) of dynamic shared memory")]
    private static partial Regex Dynamic();
}

/// <summary>All kernels, by name.</summary>
public static class KernelCatalog
{
    /// <summary>All kernels in the order of their names.</summary>
    public static IReadOnlyList<KernelDescription> All { get; } = [.. Find().OrderBy(kernel => kernel.Name, StringComparer.Ordinal)];

    /// <summary>The kernel of this name, or null; upper and lower case are the same.</summary>
    public static KernelDescription? Get(string name) =>
        All.FirstOrDefault(kernel => string.Equals(kernel.Name, name, StringComparison.OrdinalIgnoreCase));

    private static IEnumerable<KernelDescription> Find() =>
        from type in typeof(KernelCatalog).Assembly.GetTypes()
        from method in type.GetMethods(BindingFlags.Public | BindingFlags.Static)
        let kernel = method.GetCustomAttribute<KernelAttribute>()
        where kernel is not null
        select new KernelDescription(
            kernel.Version == 0 ? kernel.Operation : $"{kernel.Operation}{kernel.Version}", kernel.Operation, kernel.Version, kernel.Contract, method);
}
