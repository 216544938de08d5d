using System.Collections.Concurrent;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using OllmNative.Runtime.Compiler.Il;
using OllmNative.Runtime.Compiler.Ir;
using OllmNative.Runtime.Extensions;

namespace OllmNative.Runtime.Compiler.Frontend;

/// <summary>A scalar inside a type: how memory holds it, at which byte, and its path for people.</summary>
internal sealed record Leaf(IrType Type, int Offset, string Path);

/// <summary>A field: its first leaf, its number of leaves, its byte offset.</summary>
internal sealed record FieldPlace(int Start, int Count, int Offset, Type Type);

/// <summary>A type of the kernel language taken apart into scalars.</summary>
internal sealed class TypeLayout
{
    private static readonly ConcurrentDictionary<Type, TypeLayout> Known = new();
    private readonly Dictionary<string, FieldPlace> _fields = [];

    private TypeLayout(Type type) => Type = type;

    public Type Type { get; }
    public List<Leaf> Leaves { get; } = [];
    public int Size { get; private set; }
    public int Alignment { get; private set; } = 1;

    /// <summary>A number, a bool, an enum or a pointer: it sits on the stack as a register.</summary>
    public bool IsScalar { get; private set; }

    public bool IsView { get; private set; }

    /// <summary>Why the type has no place in a kernel, or null.</summary>
    public string? Refusal { get; private set; }

    public static TypeLayout Of(Type type) => Known.GetOrAdd(type, Make);

    public FieldPlace Field(FieldInfo field, IlPlace place) =>
        _fields.TryGetValue(field.Name, out FieldPlace? found) ? found : throw place.Error($"field {IlPlace.NameOf(Type)}.{field.Name} is not accessible in a kernel");

    /// <summary>A field's byte offset; null where there is none of that name.</summary>
    public int? OffsetOf(string field) => _fields.TryGetValue(field, out FieldPlace? found) ? found.Offset : null;

    public static bool IsArrayView(Type type) => type.IsGenericType && type.Name == "ArrayView`1";

    public static bool IsSpecialized(Type type) => type.IsGenericType && type.Name == "SpecializedValue`1";

    private static TypeLayout Make(Type type)
    {
        var layout = new TypeLayout(type);
        if (ScalarType(type) is { } scalar) layout.SetScalar(scalar);
        else if (IsArrayView(type)) layout.SetView();
        else if (type == typeof(TensorMap)) layout.SetMap();
        else if (!type.IsValueType) layout.Refusal = $"{IlPlace.NameOf(type)} is a class; kernels have numbers, structs, views and local arrays";
        else if (IsSpecialized(type)) layout.Embed("Value", type.GetGenericArguments()[0], 0);
        else layout.SetStruct();
        return layout;
    }

    private static IrType? ScalarType(Type type)
    {
        if (type.IsByRef || type.IsPointer) return IrType.Ptr;
        if (type.IsEnum) return ScalarType(Enum.GetUnderlyingType(type));
        if (type == typeof(nint) || type == typeof(nuint)) return IrType.I64;
        return Type.GetTypeCode(type) switch
        {
            TypeCode.Boolean or TypeCode.Byte => IrType.U8,
            TypeCode.SByte => IrType.I8,
            TypeCode.Int16 => IrType.I16,
            TypeCode.UInt16 or TypeCode.Char => IrType.U16,
            TypeCode.Int32 or TypeCode.UInt32 => IrType.I32,
            TypeCode.Int64 or TypeCode.UInt64 => IrType.I64,
            TypeCode.Single => IrType.F32,
            TypeCode.Double => IrType.F64,
            _ => null,
        };
    }

    private void SetScalar(IrType type)
    {
        IsScalar = true;
        Leaves.Add(new Leaf(type, 0, ""));
        Size = Alignment = type.Size();
    }

    private void SetView()
    {
        IsView = true;
        Leaves.Add(new Leaf(IrType.Ptr, 0, "address"));
        Leaves.Add(new Leaf(IrType.I64, 8, "length"));
        (Size, Alignment) = (16, 8);
    }

    private void SetMap()
    {
        Leaves.Add(new Leaf(IrType.Map, 0, ""));
        (Size, Alignment) = (128, 64);
    }

    private void SetStruct()
    {
        if (Type.GetCustomAttribute<InlineArrayAttribute>() is { } inline)
        {
            SetRepeated(Instance(Type)[0].FieldType, inline.Length);
            return;
        }
        StructLayoutAttribute? attribute = Type.StructLayoutAttribute;
        int pack = attribute is { Pack: > 0 } ? attribute.Pack : 8;
        int at = 0;
        bool arranged = IsArranged(Type);
        foreach (FieldInfo field in Instance(Type))
        {
            TypeLayout inner = Of(field.FieldType);
            int alignment = Math.Min(inner.Alignment, pack);
            at = attribute?.Value == LayoutKind.Explicit ? field.GetCustomAttribute<FieldOffsetAttribute>()!.Value : RoundUp(at, alignment);
            if (arranged) at = FieldOffset.Of(Type, field);
            if (attribute?.Value == LayoutKind.Explicit && Leaves.Any(leaf => leaf.Offset < at + inner.Size && at < leaf.Offset + leaf.Type.Size()))
                Refusal = $"struct {IlPlace.NameOf(Type)} has overlapping fields; use Interop's bit casts instead";
            if (field.GetCustomAttribute<FixedBufferAttribute>() is { } buffer) EmbedBuffer(field, buffer, at);
            else Embed(field.Name, field.FieldType, at);
            Alignment = Math.Max(Alignment, alignment);
            at += Math.Max(inner.Size, 0);
            Size = Math.Max(Size, at);
        }
        Size = arranged ? RuntimeHelpers.SizeOf(Type.TypeHandle) : Math.Max(Math.Max(RoundUp(Size, Alignment), attribute?.Size ?? 0), 1);
    }

    /// <summary>
    /// Whether the runtime chose the order of the fields, as it does for tuples and what contains them. With a view inside it did too, but such
    /// a struct is never in a device's memory.
    /// </summary>
    private static bool IsArranged(Type type) => IsOrContains(type, static inner => inner.IsAutoLayout) && !IsOrContains(type, static inner => !inner.IsValueType && !inner.IsPointer);

    private static bool IsOrContains(Type type, Predicate<Type> property) => property(type)
        || (type.IsValueType && !type.IsPrimitive && !type.IsEnum && Instance(type).Any(field => IsOrContains(field.FieldType, property)));

    private static FieldInfo[] Instance(Type type) =>
        [.. type.GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic).OrderBy(field => field.MetadataToken)];

    private void SetRepeated(Type element, int count)
    {
        TypeLayout inner = Of(element);
        for (int i = 0; i < count; i++) Embed($"{i}", element, i * inner.Size);
        (Size, Alignment) = (inner.Size * count, inner.Alignment);
    }

    private void EmbedBuffer(FieldInfo field, FixedBufferAttribute buffer, int at)
    {
        int start = Leaves.Count;
        for (int i = 0; i < buffer.Length; i++) Embed($"{field.Name}{i}", buffer.ElementType, at + i * Of(buffer.ElementType).Size);
        _fields[field.Name] = new FieldPlace(start, buffer.Length, at, field.FieldType);
    }

    private void Embed(string name, Type type, int at)
    {
        TypeLayout inner = Of(type);
        Refusal ??= inner.Refusal;
        _fields[name] = new FieldPlace(Leaves.Count, inner.Leaves.Count, at, type);
        foreach (Leaf leaf in inner.Leaves) Leaves.Add(new Leaf(leaf.Type, at + leaf.Offset, leaf.Path.Length == 0 ? name : $"{name}_{leaf.Path}"));
        if (!IsSpecialized(Type)) return;
        (Size, Alignment) = (inner.Size, inner.Alignment);
    }

    private static int RoundUp(int value, int multiple) => multiple <= 1 ? value : (value + multiple - 1) / multiple * multiple;
}
