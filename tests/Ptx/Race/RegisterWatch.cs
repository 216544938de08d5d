namespace OllmNative.Tests.Ptx;

/// <summary>
/// A warp's registers beside its asynchronous products (PTX ISA 9.7.15.7): between an ordinary access and a product of the same registers there is
/// a wgmma.fence, also before the first product; from a product to its wait nothing else touches them.
/// </summary>
internal sealed class RegisterWatch(int registers)
{
    private readonly int[] _touched = new int[registers], _sums = new int[registers], _fragments = new int[registers];
    private int _serial = 1, _fenced, _done;

    /// <summary>Products started so far.</summary>
    public int Products { get; private set; }

    public void Ordinary(int[] used, PtxInstruction instruction)
    {
        _serial++;
        foreach (int register in used)
        {
            if (_sums[register] > _done || _fragments[register] > _done)
                throw new PtxException($"race: a register of a product under way is used by \"{instruction.Text}\"");
            _touched[register] = _serial;
        }
    }

    public void Fence() => _fenced = _serial;

    public void Product(PtxInstruction instruction)
    {
        Products++;
        foreach (PtxOperand sum in instruction.Operands[0].Items)
        {
            Begin(sum.Register, instruction, _fragments);
            _sums[sum.Register] = Products;
        }
        foreach (PtxOperand part in instruction.Operands[1].Items)
        {
            Begin(part.Register, instruction, _sums);
            _fragments[part.Register] = Products;
        }
    }

    /// <summary>All products up to one are over.</summary>
    public void Wait(int product) => _done = Math.Max(_done, product);

    private void Begin(int register, PtxInstruction instruction, int[] other)
    {
        if (_fenced == 0 || _touched[register] > _fenced) throw new PtxException($"race: no wgmma.fence before \"{Short(instruction)}\" for a register used before");
        if (other[register] > _done) throw new PtxException($"race: a register of a product under way is another's operand in \"{Short(instruction)}\"");
    }

    private static string Short(PtxInstruction instruction) => instruction.Text[..Math.Min(90, instruction.Text.Length)];
}
