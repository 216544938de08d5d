using OllmNative.Runtime.Compiler.Ir;

namespace OllmNative.Runtime.Compiler.Passes;

/// <summary>x % d of a d that is not known becomes x - x / d * d, which is how it is computed anyway: the quotient is then there for x / d.</summary>
internal static class Remainders
{
    public static bool Run(KernelIr kernel)
    {
        bool any = false;
        foreach (Block block in kernel.Blocks)
        {
            for (int at = 0; at < block.Body.Count; at++)
            {
                Value value = block.Body[at];
                if (value.Op is not (Op.Rem or Op.RemU) || !value.Type.IsInteger() || value.Args[1].IsConst) continue;
                Value quotient = kernel.New(value.Op == Op.Rem ? Op.Div : Op.DivU, value.Type, value.Args[0], value.Args[1]);
                Value product = kernel.New(Op.Mul, value.Type, quotient, value.Args[1]);
                block.Body.InsertRange(at, [quotient, product]);
                value.Op = Op.Sub;
                value.Args = [value.Args[0], product];
                at += 2;
                any = true;
            }
        }
        return any;
    }
}
