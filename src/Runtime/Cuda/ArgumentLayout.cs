using System.Reflection;
using System.Runtime.CompilerServices;
using OllmNative.Runtime.Compiler.Frontend;
using OllmNative.Runtime.Compiler.Ir;
using OllmNative.Runtime.Extensions;

namespace OllmNative.Runtime.Cuda;

/// <summary>
/// Where the scalars of an argument lie in the host's memory, in the order in which the compiler made parameters of them
/// (<see cref="TypeLayout"/>). The two places differ: a view on the host also knows its buffer, and .NET arranges such structs as it likes.
/// </summary>
internal static class ArgumentLayout
{
    /// <summary>A scalar: its byte offset in the struct, and its size as a parameter. A tensor map counts as one, of 128 bytes.</summary>
    internal readonly record struct Piece(int Offset, int Bytes);

    /// <summary>The scalars of a type.</summary>
    public static Piece[] Of(Type type)
    {
        var pieces = new List<Piece>();
        Collect(type, 0, pieces);
        List<Leaf> leaves = TypeLayout.Of(type).Leaves;
        bool same = pieces.Count == leaves.Count && pieces.Zip(leaves).All(pair => pair.First.Bytes == pair.Second.Type.Size());
        return same ? [.. pieces] : throw new NotSupportedException($"an argument of type {type} has another layout on the host than in the kernel");
    }

    private static void Collect(Type type, int at, List<Piece> pieces)
    {
        TypeLayout layout = TypeLayout.Of(type);
        if (layout.IsScalar)
        {
            pieces.Add(new Piece(at, layout.Size));
        }
        else if (type == typeof(TensorMap))
        {
            pieces.Add(new Piece(at, IrType.Map.Size()));
        }
        else if (layout.IsView)
        {
            pieces.Add(new Piece(at + FieldOffset.Of(type, Field(type, "_address")), 8));
            pieces.Add(new Piece(at + FieldOffset.Of(type, Field(type, "_length")), 8));
        }
        else if (type.GetCustomAttribute<InlineArrayAttribute>() is { } inline)
        {
            Type element = Instance(type)[0].FieldType;
            for (int i = 0; i < inline.Length; i++) Collect(element, at + i * TypeLayout.Of(element).Size, pieces);
        }
        else
        {
            foreach (FieldInfo field in Instance(type)) CollectField(type, field, at + FieldOffset.Of(type, field), pieces);
        }
    }

    private static void CollectField(Type type, FieldInfo field, int at, List<Piece> pieces)
    {
        if (field.GetCustomAttribute<FixedBufferAttribute>() is not { } buffer)
        {
            Collect(field.FieldType, at, pieces);
            return;
        }
        int size = TypeLayout.Of(buffer.ElementType).Size;
        for (int i = 0; i < buffer.Length; i++) pieces.Add(new Piece(at + i * size, size));
    }

    private static FieldInfo[] Instance(Type type) =>
        [.. type.GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic).OrderBy(field => field.MetadataToken)];

    private static FieldInfo Field(Type type, string name) => type.GetField(name, BindingFlags.Instance | BindingFlags.NonPublic)
        ?? throw new NotSupportedException($"{type} has no field {name}");
}

/// <summary>The layout of one type, looked up once.</summary>
internal static class ArgumentLayout<T> where T : struct
{
    public static readonly ArgumentLayout.Piece[] Pieces = ArgumentLayout.Of(typeof(T));
}
