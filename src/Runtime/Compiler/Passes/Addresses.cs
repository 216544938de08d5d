using System.Numerics;
using OllmNative.Runtime.Compiler.Ir;

namespace OllmNative.Runtime.Compiler.Passes;

/// <summary>
/// Sorts the sum that an address is: first what the outermost loop does not change, then what each inner one leaves alone, then the rest, and
/// the constant into the access itself. The parts that do not change then move out of the loops, and accesses that differ by a constant share
/// one address. As everywhere, an index that has overflowed addresses nothing.
/// </summary>
internal static class Addresses
{
    private const int MostTerms = 16;

    private readonly record struct Term(Value Value, long Factor);

    public static bool Run(KernelIr kernel) => new Rewriter(kernel).Run();

    private sealed class Rewriter(KernelIr kernel)
    {
        private readonly Dictionary<Value, Block> _home = [];
        private readonly List<Loop> _loops = Loop.FindWithPreheaders(kernel);
        private readonly List<Term> _terms = [];
        private long _constant;

        // The constant that the code has outside of every sum already: taking it out again is no gain.
        private long _outer;

        public bool Run()
        {
            foreach (Block block in kernel.Blocks)
            {
                foreach (Value phi in block.Phis) _home[phi] = block;
                foreach (Value value in block.Body) _home[value] = block;
            }
            bool any = false;
            foreach (Block block in kernel.Blocks)
            {
                var body = new List<Value>(block.Body.Count);
                foreach (Value value in block.Body)
                {
                    for (int operand = 0; operand < Pointers(value.Op); operand++) any |= Rewrite(value, operand, block, body);
                    body.Add(value);
                }
                block.Body = body;
            }
            return any;
        }

        private static int Pointers(Op op) => op switch
        {
            // Of an asynchronous copy the target alone: a loop that copies ahead needs its registers for products.
            Op.Load or Op.LoadOnce or Op.Store or Op.Atomic or Op.LoadMatrix or Op.CopyAsync => 1,
            _ => 0,
        };

        private bool Rewrite(Value access, int operand, Block block, List<Value> body)
        {
            if (access.Args[operand] is not { Op: Op.PtrAdd } pointer) return false;
            _terms.Clear();
            (_constant, _outer) = (0, 0);
            Value root = pointer;
            for (; root.Op == Op.PtrAdd; root = root.Args[0])
            {
                if (root.Args[1].IsConst) _outer += root.Args[1].Bits;
                Add(root.Args[1], 1);
            }
            IGrouping<int, Term>[] levels = [.. _terms.GroupBy(term => Level(term.Value, block)).OrderBy(level => level.Key)];
            if (_terms.Count is 0 or > MostTerms || (levels.Length == 1 && _constant == _outer)) return false;
            Value address = root;
            foreach (IGrouping<int, Term> level in levels) address = Append(PtrAdd(address, Sum([.. level.OrderBy(term => term.Value.Id)], body)), body);
            bool inAccess = access.Op is Op.Load or Op.LoadOnce or Op.Store && access.Bits + _constant is >= int.MinValue and <= int.MaxValue;
            if (inAccess) access.Bits += _constant;
            else if (_constant != 0) address = Append(PtrAdd(address, kernel.Long(_constant)), body);
            access.Args[operand] = address;
            return true;
        }

        /// <summary>Loops around the access in which the value is made.</summary>
        private int Level(Value value, Block access) =>
            _home.TryGetValue(value, out Block? home) ? _loops.Count(loop => loop.Blocks.Contains(home) && loop.Blocks.Contains(access)) : 0;

        private void Add(Value value, long factor)
        {
            switch (value.Op)
            {
                case Op.Const: _constant += value.Bits * factor; break;
                case Op.SignExtend when value.Args[0].Type == IrType.I32: Add(value.Args[0], factor); break;
                case Op.Add:
                    Add(value.Args[0], factor);
                    Add(value.Args[1], factor);
                    break;
                case Op.Sub:
                    Add(value.Args[0], factor);
                    Add(value.Args[1], -factor);
                    break;
                case Op.Mul or Op.MulWide when Fits(value.Args[1], factor): Add(value.Args[0], factor * value.Args[1].Bits); break;
                case Op.Shl when value.Args[1] is { IsConst: true, Bits: >= 0 and < 24 } && Math.Abs(factor) < 1 << 24: Add(value.Args[0], factor << (int)value.Args[1].Bits); break;
                default:
                    int known = _terms.FindIndex(term => term.Value == value);
                    if (known < 0) _terms.Add(new Term(value, factor));
                    else _terms[known] = new Term(value, _terms[known].Factor + factor);
                    break;
            }
        }

        private static bool Fits(Value factor, long other) => factor.IsConst && Math.Abs(factor.Bits) < 1 << 24 && Math.Abs(other) < 1 << 24;

        /// <summary>The terms' sum in bytes: in 32 bits as long as may be, then one wide product.</summary>
        private Value Sum(Term[] terms, List<Value> body)
        {
            long common = (long)terms.Aggregate(BigInteger.Zero, (sum, term) => BigInteger.GreatestCommonDivisor(sum, term.Factor));
            if (common == 0) return kernel.Long(0);
            bool narrow = Array.TrueForAll(terms, term => term.Value.Type == IrType.I32 && Math.Abs(term.Factor / common) <= int.MaxValue);
            Value? sum = null;
            foreach (Term term in terms.OrderByDescending(term => term.Factor))
            {
                long factor = term.Factor / common;
                if (factor == 0) continue;
                Value value = narrow || term.Value.Type == IrType.I64 ? term.Value : Append(kernel.New(Op.SignExtend, IrType.I64, term.Value), body);
                bool minus = factor < 0 && sum is not null;
                Value product = Append(kernel.New(Op.Mul, value.Type, value, kernel.Constant(value.Type, minus ? -factor : factor)), body);
                sum = sum is null ? product : Append(kernel.New(minus ? Op.Sub : Op.Add, value.Type, sum, product), body);
            }
            if (sum is null) return kernel.Long(0);
            Value wide = sum.Type == IrType.I64 ? sum : Append(kernel.New(Op.SignExtend, IrType.I64, sum), body);
            return Append(kernel.New(Op.Mul, IrType.I64, wide, kernel.Long(common)), body);
        }

        private Value PtrAdd(Value pointer, Value bytes)
        {
            Value sum = kernel.New(Op.PtrAdd, IrType.Ptr, pointer, bytes);
            sum.Space = pointer.Space;
            return sum;
        }

        private Value Append(Value value, List<Value> body)
        {
            if (Simplifier.Simplify(kernel, value) is { } simpler) return simpler;
            body.Add(value);
            return value;
        }
    }
}
