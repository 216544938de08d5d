using System.Globalization;
using System.Text.RegularExpressions;

namespace OllmNative.Tests.Ptx;

/// <summary>Thrown for PTX that the interpreter does not know or that does what hardware would not forgive.</summary>
internal sealed class PtxException(string message) : Exception(message);

internal enum OperandKind { Register, Immediate, Memory, Vector, Name }

/// <summary>An operand: a register number, an immediate's bits, [register or name + offset], a list, or a name (label, variable, %tid.x).</summary>
internal sealed record PtxOperand(OperandKind Kind, int Register, ulong Bits, string Name, PtxOperand[] Items);

/// <summary>One instruction, with its guard predicate (-1: none).</summary>
internal sealed record PtxInstruction(string Op, PtxOperand[] Operands, int Guard, bool GuardNegated, string Text);

/// <summary>A parsed entry point. Only the shapes that the compiler writes; anything else is an error.</summary>
internal sealed partial class PtxModule
{
    private readonly Dictionary<string, int> _registers = [];

    public string Target { get; private set; } = "";
    public string Entry { get; private set; } = "";
    public List<(string Name, string Type)> Parameters { get; } = [];
    public Dictionary<string, long> Shared { get; } = [];
    public Dictionary<string, long> Local { get; } = [];
    /// <summary>Bytes of the parameters, each on a multiple of its own size.</summary>
    public int ParameterBytes { get; private set; }

    /// <summary>Threads of a group at most, as .maxntid says.</summary>
    public int MaxThreads { get; private set; } = 1024;

    public long SharedBytes { get; private set; }
    public long LocalBytes { get; private set; }
    public Dictionary<string, int> Labels { get; } = [];
    public List<PtxInstruction> Code { get; } = [];
    public int RegisterCount => _registers.Count;

    public static PtxModule Parse(string text)
    {
        var module = new PtxModule();
        bool inBody = false;
        foreach (string raw in text.Split('\n'))
        {
            string line = raw.Trim();
            if (line.Length == 0) continue;
            if (line == "{") inBody = true;
            else if (line == "}") inBody = false;
            else if (inBody) module.BodyLine(line);
            else module.HeaderLine(line);
        }
        if (module.Entry.Length == 0) throw new PtxException("no .visible .entry");
        return module;
    }

    private void HeaderLine(string line)
    {
        if (line is ".version 7.4" or ".version 7.8" or ".version 8.0" or ".address_size 64" or ")") return;
        if (line.StartsWith(".minnctapersm ", StringComparison.Ordinal)) return;
        if (line.StartsWith(".maxntid ", StringComparison.Ordinal))
        {
            MaxThreads = line[".maxntid ".Length..].Split(',').Aggregate(1, (product, part) => product * int.Parse(part, CultureInfo.InvariantCulture));
            return;
        }
        if (line.StartsWith(".target ", StringComparison.Ordinal)) Target = line[8..];
        else if (Extern().Match(line) is { Success: true } dynamic) Shared[dynamic.Groups[1].Value] = -1;
        else if (EntryLine().Match(line) is { Success: true } entry) Entry = entry.Groups[1].Value;
        else if (ParamLine().Match(line) is { Success: true } param) AddParameter(param.Groups[2].Value, param.Groups[1].Value);
        else throw new PtxException($"unknown declaration: {line}");
    }

    private void AddParameter(string name, string type)
    {
        const int mapBytes = 128, mapAlignment = 64;
        int bytes = type == "b8" ? mapBytes : int.Parse(type[1..], CultureInfo.InvariantCulture) / 8, alignment = Math.Min(bytes, mapAlignment);
        ParameterBytes = (ParameterBytes + alignment - 1) / alignment * alignment + bytes;
        Parameters.Add((name, type));
    }

    private void BodyLine(string line)
    {
        if (LabelLine().Match(line) is { Success: true } label)
        {
            Labels.Add(label.Groups[1].Value, Code.Count);
            return;
        }
        if (!line.EndsWith(';')) throw new PtxException($"no semicolon: {line}");
        line = line[..^1];
        if (RegisterLine().Match(line) is { Success: true } registers)
        {
            for (int i = 0; i < int.Parse(registers.Groups[2].Value, CultureInfo.InvariantCulture); i++)
                _registers.Add(string.Create(CultureInfo.InvariantCulture, $"{registers.Groups[1].Value}{i}"), _registers.Count);
        }
        else if (VariableLine().Match(line) is { Success: true } variable)
        {
            Declare(variable.Groups[1].Value == "shared", variable.Groups[2].Value, long.Parse(variable.Groups[3].Value, CultureInfo.InvariantCulture));
        }
        else
        {
            Code.Add(Instruction(line));
        }
    }

    private void Declare(bool shared, string name, long bytes)
    {
        long at = ((shared ? SharedBytes : LocalBytes) + 15) / 16 * 16;
        (shared ? Shared : Local)[name] = at;
        if (shared) SharedBytes = at + bytes;
        else LocalBytes = at + bytes;
    }

    private PtxInstruction Instruction(string line)
    {
        string text = line;
        (int guard, bool negated) = (-1, false);
        if (line[0] == '@')
        {
            int space = line.IndexOf(' ', StringComparison.Ordinal);
            string name = line[1..space];
            negated = name[0] == '!';
            guard = Register(name.TrimStart('!'));
            line = line[(space + 1)..];
        }
        int end = line.IndexOf(' ', StringComparison.Ordinal);
        if (end < 0) return new PtxInstruction(line, [], guard, negated, text);
        return new PtxInstruction(line[..end], [.. Split(line[(end + 1)..]).Select(Operand)], guard, negated, text);
    }

    /// <summary>At commas outside of braces.</summary>
    private static IEnumerable<string> Split(string text)
    {
        int depth = 0, start = 0;
        for (int i = 0; i < text.Length; i++)
        {
            if (text[i] is '{' or '[') depth++;
            else if (text[i] is '}' or ']') depth--;
            else if (text[i] == ',' && depth == 0)
            {
                yield return text[start..i].Trim();
                start = i + 1;
            }
        }
        yield return text[start..].Trim();
    }

    private PtxOperand Operand(string text)
    {
        if (text[0] == '{') return new PtxOperand(OperandKind.Vector, -1, 0, text, [.. Split(text[1..^1]).Select(Operand)]);
        if (text[0] == '[')
        {
            if (text.Contains(','))
            {
                PtxOperand[] parts = [.. Split(text[1..^1]).Select(Operand)]; // [map, {x, y}]
                return new PtxOperand(OperandKind.Memory, parts[0].Register, 0, text, parts[1].Items);
            }
            Match match = AddressText().Match(text);
            if (!match.Success) throw new PtxException($"address {text}");
            string name = match.Groups[1].Value;
            long offset = match.Groups[2].Success ? long.Parse(match.Groups[2].Value, CultureInfo.InvariantCulture) : 0;
            return new PtxOperand(OperandKind.Memory, name[0] == '%' ? Register(name) : -1, (ulong)offset, name, []);
        }
        if (_registers.TryGetValue(text, out int register)) return new PtxOperand(OperandKind.Register, register, 0, text, []);
        if (text.StartsWith("0f", StringComparison.Ordinal) && text.Length == 10) return Immediate(text, ulong.Parse(text[2..], NumberStyles.HexNumber, CultureInfo.InvariantCulture));
        if (text.StartsWith("0d", StringComparison.Ordinal) && text.Length == 18) return Immediate(text, ulong.Parse(text[2..], NumberStyles.HexNumber, CultureInfo.InvariantCulture));
        if (long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long number)) return Immediate(text, (ulong)number);
        return new PtxOperand(OperandKind.Name, -1, 0, text, []);
    }

    private static PtxOperand Immediate(string text, ulong bits) => new(OperandKind.Immediate, -1, bits, text, []);

    private int Register(string name) => _registers.TryGetValue(name, out int index) ? index : throw new PtxException($"register {name} is not declared");

    [GeneratedRegex(@"^\.visible \.entry (\w+)\($")]
    private static partial Regex EntryLine();
    [GeneratedRegex(@"^\.param (?:\.align 64 )?\.(\w+) (\w+)(?:\[128\])?,?$")]
    private static partial Regex ParamLine();
    [GeneratedRegex(@"^(\$\w+):$")]
    private static partial Regex LabelLine();
    [GeneratedRegex(@"^\.reg \.\w+ (%[a-z]+)<(\d+)>$")]
    private static partial Regex RegisterLine();
    [GeneratedRegex(@"^\.(shared|local) \.align 16 \.b8 (\w+)\[(\d+)\]$")]
    private static partial Regex VariableLine();
    [GeneratedRegex(@"^\.extern \.shared \.align 1024 \.b8 (\w+)\[\];$")]
    private static partial Regex Extern();
    [GeneratedRegex(@"^\[(%?\w+)(?:\+(-?\d+))?\]$")]
    private static partial Regex AddressText();
}
