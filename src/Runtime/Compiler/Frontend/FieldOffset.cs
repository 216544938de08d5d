using System.Reflection;
using System.Reflection.Emit;

namespace OllmNative.Runtime.Compiler.Frontend;

/// <summary>Where .NET puts a field, which for some structs is its own choice.</summary>
internal static class FieldOffset
{
    /// <summary>Asks the runtime itself, with a method made for the purpose: the address of the field less that of the struct.</summary>
    public static int Of(Type type, FieldInfo field)
    {
        var method = new DynamicMethod("OffsetOfField", typeof(int), Type.EmptyTypes, typeof(FieldOffset).Module, skipVisibility: true);
        ILGenerator il = method.GetILGenerator();
        il.DeclareLocal(type);
        il.Emit(OpCodes.Ldloca_S, (byte)0);
        il.Emit(OpCodes.Ldflda, field);
        il.Emit(OpCodes.Conv_U);
        il.Emit(OpCodes.Ldloca_S, (byte)0);
        il.Emit(OpCodes.Conv_U);
        il.Emit(OpCodes.Sub);
        il.Emit(OpCodes.Conv_I4);
        il.Emit(OpCodes.Ret);
        return (int)method.Invoke(null, null)!;
    }
}
