using System.Buffers.Binary;
using System.Reflection;
using System.Reflection.Emit;

namespace OllmNative.Runtime.Compiler.Il;

/// <summary>IL bytes to instructions, tokens resolved in the method's generic context.</summary>
internal static class IlDecoder
{
    private static readonly Dictionary<ushort, (OpCode Code, string[] Parts)> Codes = typeof(OpCodes).GetFields(BindingFlags.Public | BindingFlags.Static)
        .Select(field => (OpCode)field.GetValue(null)!).ToDictionary(code => (ushort)code.Value, code => (code, code.Name!.Split('.')));

    public static List<IlInstruction> Decode(MethodBase method)
    {
        MethodBody body = method.GetMethodBody() ?? throw new IlPlace(method, -1).Error("the method has no IL: it is external, abstract or built into the runtime");
        if (body.ExceptionHandlingClauses.Count > 0)
            throw new IlPlace(method, body.ExceptionHandlingClauses[0].TryOffset).Error("try/catch/finally (also from using, lock and foreach over an enumerator) is not part of the kernel language");
        byte[] il = body.GetILAsByteArray()!;
        var instructions = new List<IlInstruction>();
        for (int at = 0; at < il.Length;)
        {
            int start = at;
            ushort key = il[at++];
            if (key == 0xFE) key = (ushort)(0xFE00 | il[at++]);
            (OpCode code, string[] parts) = Codes[key];
            object? operand = Operand(method, code, il, ref at);
            instructions.Add(new IlInstruction(start, at, code, parts, operand));
        }
        return instructions;
    }

    private static object? Operand(MethodBase method, OpCode code, byte[] il, ref int at)
    {
        ReadOnlySpan<byte> rest = il.AsSpan(at);
        switch (code.OperandType)
        {
            case OperandType.InlineNone:
                return null;
            case OperandType.ShortInlineI:
                at += 1;
                return code == OpCodes.Ldc_I4_S ? (int)(sbyte)rest[0] : (int)rest[0];
            case OperandType.ShortInlineVar:
                at += 1;
                return (int)rest[0];
            case OperandType.InlineVar:
                at += 2;
                return (int)BinaryPrimitives.ReadUInt16LittleEndian(rest);
            case OperandType.InlineI:
                at += 4;
                return BinaryPrimitives.ReadInt32LittleEndian(rest);
            case OperandType.InlineI8:
                at += 8;
                return BinaryPrimitives.ReadInt64LittleEndian(rest);
            case OperandType.ShortInlineR:
                at += 4;
                return BinaryPrimitives.ReadSingleLittleEndian(rest);
            case OperandType.InlineR:
                at += 8;
                return BinaryPrimitives.ReadDoubleLittleEndian(rest);
            case OperandType.ShortInlineBrTarget:
                at += 1;
                return at + (sbyte)rest[0];
            case OperandType.InlineBrTarget:
                at += 4;
                return at + BinaryPrimitives.ReadInt32LittleEndian(rest);
            case OperandType.InlineSwitch:
                return Switch(il, ref at);
            default:
                at += 4;
                return Resolve(method, code, BinaryPrimitives.ReadInt32LittleEndian(rest));
        }
    }

    private static int[] Switch(byte[] il, ref int at)
    {
        int count = BinaryPrimitives.ReadInt32LittleEndian(il.AsSpan(at));
        int next = at + 4 + 4 * count;
        int[] targets = new int[count];
        for (int i = 0; i < count; i++) targets[i] = next + BinaryPrimitives.ReadInt32LittleEndian(il.AsSpan(at + 4 + 4 * i));
        at = next;
        return targets;
    }

    private static object? Resolve(MethodBase method, OpCode code, int token)
    {
        if (code.OperandType == OperandType.InlineString) return method.Module.ResolveString(token);
        if (code.OperandType == OperandType.InlineSig) return null;
        Type[]? typeArguments = method.DeclaringType is { IsGenericType: true } type ? type.GetGenericArguments() : null;
        Type[]? methodArguments = method is MethodInfo { IsGenericMethod: true } ? method.GetGenericArguments() : null;
        return method.Module.ResolveMember(token, typeArguments, methodArguments);
    }
}
