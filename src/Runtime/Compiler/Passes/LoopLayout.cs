using OllmNative.Runtime.Compiler.Ir;

namespace OllmNative.Runtime.Compiler.Passes;

/// <summary>A loop's condition means "stay": so the body follows the header in the text, and the way out comes after it.</summary>
internal static class LoopLayout
{
    public static bool Run(KernelIr kernel)
    {
        ControlFlow.Analyse(kernel);
        bool any = false;
        foreach (Loop loop in Loop.Find(kernel))
        {
            foreach (Block block in loop.Blocks)
            {
                if (block.Condition is not { } condition || loop.Blocks.Contains(block.Then!) || !loop.Blocks.Contains(block.Else!)) continue;
                Value inverse = kernel.New(Op.Not, IrType.I1, condition);
                if (Simplifier.Simplify(kernel, inverse) is { } simpler) inverse = simpler;
                else block.Body.Add(inverse);
                (block.Condition, block.Then, block.Else) = (inverse, block.Else, block.Then);
                any = true;
            }
        }
        if (any) DeadCode.Run(kernel);
        return any;
    }
}
