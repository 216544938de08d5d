using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;

namespace OllmNative.Runtime.Compiler.Ptx;

/// <summary>Writes an interpolated instruction into the kernel's text without making a string of it first.</summary>
[InterpolatedStringHandler]
internal readonly ref struct PtxLine
{
    private readonly StringBuilder _code;

    public PtxLine(int literalLength, int formattedCount, PtxEmitter emitter)
    {
        _ = (literalLength, formattedCount);
        _code = emitter.Code.Append("    ");
    }

    public void AppendLiteral(string text) => _code.Append(text);

    public void AppendFormatted(string text) => _code.Append(text);

    public void AppendFormatted(int number) => _code.Append(CultureInfo.InvariantCulture, $"{number}");
}
