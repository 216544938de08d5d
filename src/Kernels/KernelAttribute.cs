namespace OllmNative.Kernels;

/// <summary>Marks a kernel and names its operation; <see cref="KernelCatalog"/> lists what carries it.</summary>
/// <param name="operation">What it computes, such as <c>MatMul</c>. Versions of a kernel share it.</param>
/// <param name="contract">Equation with shapes, grid and group, preconditions, bytes and flops.</param>
[AttributeUsage(AttributeTargets.Method)]
public sealed class KernelAttribute(string operation, string contract) : Attribute
{
    public string Operation { get; } = operation;
    public string Contract { get; } = contract;

    /// <summary>Versions of one operation are numbered from 1, later is faster; 0 where there is only one.</summary>
    public int Version { get; init; }

    /// <summary>Threads of a group where the contract has no plain number for them; 0 where it has, or where any will do.</summary>
    public int Threads { get; init; }

    /// <summary>Bytes of dynamic shared memory where the contract has no plain number for them.</summary>
    public int DynamicShared { get; init; }
}
