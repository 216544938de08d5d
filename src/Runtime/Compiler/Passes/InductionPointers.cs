using OllmNative.Runtime.Compiler.Ir;

namespace OllmNative.Runtime.Compiler.Passes;

/// <summary>
/// An address that grows by the same number of bytes in each round of a loop, base + size * (i + ...), becomes a pointer that is
/// increased: one addition instead of an extension, a multiplication and additions. As everywhere, an index that has overflowed addresses
/// nothing. Sources of asynchronous copies stay indices: a loop that copies ahead has many of them, and needs its registers for products.
/// </summary>
internal static class InductionPointers
{
    private const int MostPointers = 8;

    public static bool Run(KernelIr kernel)
    {
        bool any = false;
        foreach (Loop loop in Loop.FindWithPreheaders(kernel))
        {
            if (loop.Preheader is not { } before || !new Rewriter(kernel, loop, before).Run()) continue;
            kernel.ResolveOperands();
            any = true;
        }
        return any;
    }

    private sealed class Rewriter(KernelIr kernel, Loop loop, Block before)
    {
        private readonly HashSet<Value> _inside = LoopInvariants.Defined(loop);
        private readonly Dictionary<Value, long> _steps = [];
        private readonly Dictionary<Value, Value> _initial = [];
        private Value? _counter;

        public bool Run()
        {
            int made = 0;
            foreach (Value phi in loop.Header.Phis) AddCounter(phi);
            if (_steps.Count == 0) return false;
            HashSet<Value> copied = [.. kernel.Blocks.SelectMany(block => block.Body).Where(value => value.Op == Op.CopyAsync).Select(copy => copy.Args[1])];
            foreach (Block block in kernel.Blocks.Where(loop.Blocks.Contains))
            {
                foreach (Value address in block.Body.ToArray())
                {
                    if (made == MostPointers || address.Op != Op.PtrAdd || copied.Contains(address) || _inside.Contains(address.Args[0])) continue;
                    _counter = null;
                    if (Factor(address.Args[1]) is not { } factor || _counter is null) continue;
                    Replace(block, address, factor * _steps[_counter]);
                    made++;
                }
            }
            return made > 0;
        }

        private void AddCounter(Value phi)
        {
            if (!phi.Type.IsInteger() || phi.Args.Length != 2) return;
            int entry = phi.Incoming[0] == before ? 0 : 1;
            Value next = phi.Args[1 - entry];
            if (phi.Incoming[entry] != before || next.Op != Op.Add || next.Args[0] != phi || !next.Args[1].IsConst) return;
            _steps[phi] = next.Args[1].Bits;
            _initial[phi] = phi.Args[entry];
        }

        /// <summary>The f of a value that is f times one counter plus something that the loop does not change; null for any other value.</summary>
        private long? Factor(Value value)
        {
            if (!_inside.Contains(value)) return 0;
            if (_steps.ContainsKey(value))
            {
                if (_counter is not null && _counter != value) return null;
                _counter = value;
                return 1;
            }
            return value.Op switch
            {
                Op.SignExtend => Factor(value.Args[0]),
                Op.Add => Factor(value.Args[0]) + Factor(value.Args[1]),
                Op.Mul or Op.MulWide when value.Args[1].IsConst => Factor(value.Args[0]) * value.Args[1].Bits,
                Op.Shl when value.Args[1].IsConst => Factor(value.Args[0]) << (int)value.Args[1].Bits,
                _ => null,
            };
        }

        private void Replace(Block block, Value address, long step)
        {
            Value start = kernel.New(Op.PtrAdd, IrType.Ptr, address.Args[0], First(address.Args[1]));
            start.Space = address.Space;
            before.Body.Add(start);
            Value pointer = kernel.New(Op.Phi, IrType.Ptr, start, start);
            Value next = kernel.New(Op.PtrAdd, IrType.Ptr, pointer, kernel.Long(step));
            (pointer.Space, next.Space) = (address.Space, address.Space);
            pointer.Args[1] = next;
            pointer.Incoming = [before, loop.Latch];
            loop.Header.Phis.Add(pointer);
            loop.Latch.Body.Add(next);
            block.Body.Remove(address);
            address.Forward = pointer;
        }

        /// <summary>The value in the first round, computed before the loop.</summary>
        private Value First(Value value)
        {
            if (!_inside.Contains(value)) return value;
            if (_initial.TryGetValue(value, out Value? initial)) return initial;
            Value copy = kernel.New(value.Op, value.Type, [.. value.Args.Select(First)]);
            copy.Sub = value.Sub;
            if (Simplifier.Simplify(kernel, copy) is { } simpler) return simpler;
            before.Body.Add(copy);
            return copy;
        }
    }
}
