using System.Buffers.Binary;

namespace OllmNative.Model.Cpu;

/// <summary>
/// The machine code of the tile products. .NET has no intrinsics for AMX (up to .NET 10), so the few instructions that a product needs are written
/// here as bytes; encodings: Intel 64 manual, volume 2, "VEX" and the instruction pages. Only registers that a System V function may change are used.
/// <code>
/// void product(byte* whole /*rdi*/, byte* terms /*rsi*/, float* c /*rdx*/, long steps /*rcx*/, byte* config /*r8*/, long blocks /*r9*/)
/// for each block:  C (four tiles) = 0 or as it is
///     for each step:  two tiles of whole; for each term two tiles of terms: C += their four products
/// </code>
/// Tiles are 16 rows of 64 bytes, one behind the other. <c>whole</c> begins anew with every block, <c>terms</c> and <c>c</c> run on.
/// </summary>
internal sealed class AmxCode
{
    private const int TileBytes = 1024;

    // Registers by their number in the encoding; 8 and above need a bit of the prefix.
    private const int Rdx = 2, Rsi = 6, R10 = 10;
    private const byte NoPrefix = 0, PrefixF3 = 2, PrefixF2 = 3;

    private readonly List<byte> _bytes = [];

    /// <summary>Writes the product.</summary>
    /// <param name="terms">Terms that each number of the split operand consists of.</param>
    /// <param name="termsFirst">Whether the split operand is the first factor of the product (rows of C) or the second (columns).</param>
    /// <param name="accumulate">Whether C is added to.</param>
    public static byte[] Product(int terms, bool termsFirst, bool accumulate)
    {
        var code = new AmxCode();
        code.Vex(NoPrefix, 0x49, reg: 0, b: 8);                     // ldtilecfg [r8]
        code.Emit(0x00);
        code.Emit(0xB8, 0x40, 0, 0, 0);                             // mov eax, 64: the distance of a tile's rows
        int block = code._bytes.Count;
        for (int tile = 0; tile < 4; tile++)
        {
            if (accumulate) code.Memory(PrefixF2, tile, Rdx, tile * TileBytes);
            else code.Zero(tile);
        }
        code.Emit(0x49, 0x89, 0xFA);                                // mov r10, rdi
        code.Emit(0x49, 0x89, 0xCB);                                // mov r11, rcx
        int step = code._bytes.Count;
        for (int i = 0; i < 2; i++) code.Memory(PrefixF2, 4 + i, R10, i * TileBytes);
        for (int term = 0; term < terms; term++)
        {
            for (int i = 0; i < 2; i++) code.Memory(PrefixF2, 6 + i, Rsi, (2 * term + i) * TileBytes);
            for (int i = 0; i < 2; i++)
            {
                for (int j = 0; j < 2; j++) code.Multiply(2 * i + j, (termsFirst ? 6 : 4) + i, (termsFirst ? 4 : 6) + j);
            }
        }
        code.Emit(0x49, 0x81, 0xC2); code.Int32(2 * TileBytes);         // add r10, two tiles
        code.Emit(0x48, 0x81, 0xC6); code.Int32(terms * 2 * TileBytes); // add rsi, two tiles for each term
        code.Emit(0x49, 0xFF, 0xCB);                                    // dec r11
        code.JumpIfNotZero(step);
        for (int tile = 0; tile < 4; tile++) code.Memory(PrefixF3, tile, Rdx, tile * TileBytes);
        code.Emit(0x48, 0x81, 0xC2); code.Int32(4 * TileBytes);         // add rdx, four tiles
        code.Emit(0x49, 0xFF, 0xC9);                                    // dec r9
        code.JumpIfNotZero(block);
        code.Vex(NoPrefix, 0x49, reg: 0, b: 0);                         // tilerelease
        code.Emit(0xC0);
        code.Emit(0xC3);                                                // ret
        return [.. code._bytes];
    }

    private void Emit(params ReadOnlySpan<byte> bytes) => _bytes.AddRange(bytes);

    private void Int32(int value)
    {
        Span<byte> bytes = stackalloc byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(bytes, value);
        Emit(bytes);
    }

    private void JumpIfNotZero(int target)
    {
        Emit(0x0F, 0x85);
        Int32(target - (_bytes.Count + 4));
    }

    /// <summary>The three bytes of prefix and the opcode, all in map 0F38. Register numbers are stored inverted.</summary>
    private void Vex(byte prefix, byte opcode, int reg, int b, int v = 0) =>
        Emit(0xC4, (byte)(0x42 | (reg < 8 ? 0x80 : 0) | (b < 8 ? 0x20 : 0)), (byte)(((~v & 15) << 3) | prefix), opcode);

    /// <summary>tileloadd (F2) or tilestored (F3) at [register + rax + offset].</summary>
    private void Memory(byte prefix, int tile, int register, int offset)
    {
        Vex(prefix, 0x4B, tile, register);
        Emit((byte)(0x84 | (tile << 3)), (byte)(register & 7)); // a scaled index follows: rax, once
        Int32(offset);
    }

    private void Zero(int tile)
    {
        Vex(PrefixF2, 0x49, tile, b: 0);
        Emit((byte)(0xC0 | (tile << 3)));
    }

    /// <summary>tdpbf16ps: c += a b, where a has 16 rows of 32 numbers and b 16 rows of 16 pairs.</summary>
    private void Multiply(int c, int a, int b)
    {
        Vex(PrefixF3, 0x5C, c, a, b);
        Emit((byte)(0xC0 | (c << 3) | a));
    }
}
