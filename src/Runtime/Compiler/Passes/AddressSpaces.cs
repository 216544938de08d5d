using OllmNative.Runtime.Compiler.Ir;

namespace OllmNative.Runtime.Compiler.Passes;

/// <summary>Finds where each pointer points, so that accesses can name their memory; mixtures become generic addresses.</summary>
internal static class AddressSpaces
{
    public static bool Run(KernelIr kernel)
    {
        Value[] derived = [.. kernel.Blocks.SelectMany(block => block.Phis.Concat(block.Body))
            .Where(value => value.Type == IrType.Ptr && (value.Op is Op.PtrAdd or Op.Phi or Op.Select))];
        foreach (Value value in derived) value.Space = AddressSpace.Unknown;
        bool changed = true;
        while (changed)
        {
            changed = false;
            foreach (Value value in derived)
            {
                AddressSpace space = Sources(value).Aggregate(AddressSpace.Unknown, (met, source) => Meet(met, source.Space));
                if (space == value.Space) continue;
                value.Space = space;
                changed = true;
            }
        }
        foreach (Value value in derived)
            if (value.Space == AddressSpace.Unknown) value.Space = AddressSpace.Generic;
        return MakeGeneric(kernel);
    }

    private static Value[] Sources(Value value) => value.Op switch
    {
        Op.PtrAdd => [value.Args[0]],
        Op.Select => value.Args[1..],
        _ => value.Args,
    };

    private static AddressSpace Meet(AddressSpace a, AddressSpace b) =>
        a == AddressSpace.Unknown ? b : b == AddressSpace.Unknown || a == b ? a : AddressSpace.Generic;

    private static bool MakeGeneric(KernelIr kernel)
    {
        bool any = false;
        foreach (Block block in kernel.Blocks)
        {
            foreach (Value phi in block.Phis.Where(phi => phi is { Type: IrType.Ptr, Space: AddressSpace.Generic }))
                for (int i = 0; i < phi.Args.Length; i++) phi.Args[i] = Convert(phi.Args[i], phi.Incoming[i].Body, phi.Incoming[i].Body.Count);
            for (int at = 0; at < block.Body.Count; at++)
            {
                Value select = block.Body[at];
                if (select is not { Op: Op.Select, Type: IrType.Ptr, Space: AddressSpace.Generic }) continue;
                for (int i = 1; i <= 2; i++)
                {
                    int before = block.Body.Count;
                    select.Args[i] = Convert(select.Args[i], block.Body, at);
                    at += block.Body.Count - before;
                }
            }
        }
        return any;

        Value Convert(Value pointer, List<Value> body, int at)
        {
            if (pointer.Space is AddressSpace.Generic or AddressSpace.Unknown) return pointer;
            any = true;
            Value generic = kernel.New(Op.ToGeneric, IrType.Ptr, pointer);
            generic.Space = AddressSpace.Generic;
            body.Insert(at, generic);
            return generic;
        }
    }
}
