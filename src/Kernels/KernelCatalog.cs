using System.Reflection;

namespace OllmNative.Kernels;

/// <summary>One kernel.</summary>
/// <param name="Name">The name by which it is asked for: its operation, and its version where it has several.</param>
/// <param name="Operation">What it computes.</param>
/// <param name="Version">Its version; 0 where there is only one.</param>
/// <param name="Contract">Equation with shapes, grid and group, preconditions, bytes and flops.</param>
/// <param name="Method">The static method.</param>
public sealed record KernelDescription(string Name, string Operation, int Version, string Contract, MethodInfo Method);

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
