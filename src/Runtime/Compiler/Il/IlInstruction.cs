using System.Reflection.Emit;

namespace OllmNative.Runtime.Compiler.Il;

/// <summary>One decoded instruction. Operand: an int, long, float, double, a reflection object, or for a switch its targets.</summary>
/// <param name="Parts">The name at its dots: conv.u4 is conv and u4.</param>
internal sealed record IlInstruction(int Offset, int NextOffset, OpCode Code, string[] Parts, object? Operand)
{
    public bool IsBranch => Code.OperandType is OperandType.InlineBrTarget or OperandType.ShortInlineBrTarget;

    public bool EndsBlock => Code.FlowControl is FlowControl.Branch or FlowControl.Cond_Branch or FlowControl.Return or FlowControl.Throw;

    public override string ToString() => Operand is null ? $"IL_{Offset:x4}: {Code.Name}"
        : $"IL_{Offset:x4}: {Code.Name} {(IsBranch ? $"IL_{(int)Operand:x4}" : Operand is int[] targets ? string.Join(", ", targets.Select(t => $"IL_{t:x4}")) : Operand)}";
}
