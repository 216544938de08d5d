namespace OllmNative.Runtime.Compiler.Ir;

/// <summary>The sub of <see cref="Op.Wgmma"/>: N, and which operands in shared memory are rows of K (the instruction's transposition).</summary>
internal static class WgmmaForm
{
    private const int Columns = 1023, RowsA = 1024, RowsB = 2048;

    public static int Of(int columns, bool aRows, bool bRows) => columns | (aRows ? RowsA : 0) | (bRows ? RowsB : 0);

    /// <summary>N.</summary>
    public static int N(int form) => form & Columns;

    /// <summary>imm-trans-a of the instruction.</summary>
    public static int TransposeA(int form) => (form & RowsA) != 0 ? 1 : 0;

    /// <summary>imm-trans-b.</summary>
    public static int TransposeB(int form) => (form & RowsB) != 0 ? 1 : 0;
}
