using System.Buffers.Binary;
using OllmNative.Model;
using static OllmNative.Tests.FormatsFiles;

namespace OllmNative.Tests;

public class FormatsSafetensorsFileTests
{
    [Theory]
    [InlineData("""{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4],"dtype":"U8"}}""", 4, "\"dtype\" twice")]
    [InlineData("""{"a":{"dtype":"U8","shape":[4],"x":1,"x":2,"data_offsets":[0,4]}}""", 4, "\"x\" twice")]
    [InlineData("""{"__metadata__":{"k":"1","k":"2"}}""", 0, "\"k\" appears twice")]
    [InlineData("""{"__metadata__":{},"__metadata__":{}}""", 0, "\"__metadata__\" appears twice")]
    [InlineData("""{"\u0061":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}""", 0, "\"a\" appears twice")]
    [InlineData("""{"__metadata__":["k"]}""", 0, "object of strings")]
    [InlineData("""{"a":{"shape":[4],"data_offsets":[0,4]}}""", 4, "no dtype")]
    [InlineData("""{"a":{"dtype":"U8","data_offsets":[0,4]}}""", 4, "no shape")]
    [InlineData("""{"a":{"dtype":"U8","shape":[4]}}""", 4, "no data_offsets")]
    [InlineData("""{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4,4]}}""", 4, "3 data_offsets, expected 2")]
    [InlineData("""{"a":{"dtype":"U8","shape":[4.0],"data_offsets":[0,4]}}""", 4, "integers")]
    [InlineData("""{"a":{"dtype":"U8","shape":[4e0],"data_offsets":[0,4]}}""", 4, "integers")]
    [InlineData("""{"a":{"dtype":"U8","shape":["4"],"data_offsets":[0,4]}}""", 4, "integers")]
    [InlineData("""{"a":{"dtype":"U8","shape":4,"data_offsets":[0,4]}}""", 4, "array")]
    [InlineData("""{"a":{"dtype":8,"shape":[4],"data_offsets":[0,4]}}""", 4, "dtype must be a string")]
    [InlineData("""{"a":{"dtype":"u8","shape":[4],"data_offsets":[0,4]}}""", 4, "unknown dtype \"u8\"")]
    [InlineData("""{"a":[1]}""", 0, "must be a JSON object")]
    [InlineData("""{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}}""", 6, "overlap")]
    [InlineData("""{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[1],"data_offsets":[5,6]}}""", 6, "leave a hole")]
    [InlineData("""{"a":{"dtype":"U8","shape":[4],"data_offsets":[1,5]}}""", 5, "leave a hole")]
    [InlineData("""{"a":{"dtype":"U8","shape":[4],"data_offsets":[4,0]}}""", 4, "end before they begin")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}""", 4, "needs 8 bytes but its data_offsets [0, 4] span 4")]
    [InlineData("""{"a":{"dtype":"F4","shape":[3],"data_offsets":[0,2]}}""", 2, "whole number of bytes")]
    [InlineData("""{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}""", 5, "trailing bytes")]
    [InlineData("""{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}""", 3, "truncated")]
    [InlineData("""{"a":{"dtype":"F64","shape":[4611686018427387904],"data_offsets":[0,0]}}""", 0, "overflows")]
    [InlineData("""{"a":{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0]}}""", 0, "overflows")]
    [InlineData("""{"a":{"dtype":"U8","shape":[1],"data_offsets":[18446744073709551615,18446744073709551615]}}""", 1, "overflows")]
    [InlineData("""{"\ud800":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}""", 0, "surrogate")]
    [InlineData("""{} {}""", 0, "not valid JSON")]
    [InlineData("""{"a":}""", 0, "not valid JSON")]
    [InlineData("", 0, "not valid JSON")]
    public void Open_BrokenRule_NamesTheProblem(string header, int dataBytes, string words)
    {
        string path = Save(Safetensors(header, dataBytes));
        string message = Error(() => SafetensorsFile.Open(path).Dispose());
        Assert.Contains(words, message, StringComparison.Ordinal);
        Assert.StartsWith(path, message, StringComparison.Ordinal);
    }

    [Fact]
    public void Open_UnknownKeysAndNullMetadata_AreAccepted()
    {
        string path = Save(Safetensors("""{"__metadata__":null,"a":{"dtype":"U8","extra":{"deep":[1]},"shape":[2,1],"data_offsets":[0,2]}}""", 2));
        using SafetensorsFile file = SafetensorsFile.Open(path);
        Assert.Equal("a", Assert.Single(file.Tensors).Name);
        Assert.Empty(file.Metadata);
    }

    [Fact]
    public void Open_TensorsOutOfOrder_AreListedByOffset()
    {
        string path = Save(Safetensors("""{"c":{"dtype":"U8","shape":[1],"data_offsets":[2,3]},"z":{"dtype":"U8","shape":[0,9],"data_offsets":[2,2]},"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}""", 3));
        using SafetensorsFile file = SafetensorsFile.Open(path);
        Assert.Equal(["a", "z", "c"], file.Tensors.Select(tensor => tensor.Name));
        Assert.Equal("[0, 9]", file.Tensors[1].ShapeText);
        Assert.Equal(0, file.Tensors[1].ElementCount);
    }

    [Fact]
    public void Open_TerminalEscapeInName_IsEscapedInTheMessage()
    {
        string path = Save(Safetensors("""{"\u001b[2J":1}"""));
        string message = Error(() => SafetensorsFile.Open(path).Dispose());
        Assert.DoesNotContain('\u001b', message);
        Assert.Contains("\\u001b[2J", message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(1UL << 60)]
    [InlineData(ulong.MaxValue)]
    [InlineData(100_000_000UL)]
    public void Open_HeaderPromisingTooMuch_AllocatesNothingForIt(ulong promised)
    {
        byte[] bytes = Safetensors("{}");
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, promised);
        string path = Save(bytes);
        Error(() => SafetensorsFile.Open(path).Dispose()); // Once to load code, then measured.
        long before = GC.GetAllocatedBytesForCurrentThread();
        Error(() => SafetensorsFile.Open(path).Dispose());
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 100_000);
    }

    [Fact]
    public void Open_FileCutAnywhere_ThrowsOnlyOllmException()
    {
        string path = Path.Combine(TestData.NewFolder(), "whole.safetensors");
        SafetensorsWriter.Write(path, [Counting("first", 2, 3), Counting("scalar"), TensorToWrite.FromBytes("bytes", DType.U8, new byte[5], 5)], new Dictionary<string, string> { ["k"] = "v" });
        byte[] whole = File.ReadAllBytes(path);
        string cut = Path.Combine(TestData.NewFolder(), "cut.safetensors");
        for (int length = 0; length < whole.Length; length++)
        {
            File.WriteAllBytes(cut, whole[..length]);
            Error(() => SafetensorsFile.Open(cut).Dispose());
        }
        SafetensorsFile.Open(path).Dispose();
    }

    [Fact]
    public void Open_AnyHeaderByteChanged_OpensOrThrowsOllmException()
    {
        string path = Path.Combine(TestData.NewFolder(), "whole.safetensors");
        SafetensorsWriter.Write(path, [Counting("first", 2, 3), Counting("scalar")], new Dictionary<string, string> { ["k"] = "v" });
        byte[] whole = File.ReadAllBytes(path);
        int refused = 0, end = 8 + (int)BinaryPrimitives.ReadInt64LittleEndian(whole);
        for (int at = 0; at < end; at++)
        {
            foreach (byte value in (byte[])[0, (byte)'"', (byte)'9', (byte)'\\', 0xC3, 0xFF])
            {
                byte[] changed = [.. whole];
                changed[at] = value;
                File.WriteAllBytes(path, changed);
                if (!TryOpen(path)) refused++;
            }
        }
        Assert.InRange(refused, end * 3, end * 6);
    }

    [Fact]
    public void Open_MissingFileOrFolder_SaysSo()
    {
        string folder = TestData.NewFolder();
        Assert.Contains("no such file", Error(() => SafetensorsFile.Open(Path.Combine(folder, "none.safetensors"))), StringComparison.Ordinal);
        Assert.Contains("is a folder", Error(() => SafetensorsFile.Open(folder)), StringComparison.Ordinal);
        Assert.Contains("cannot be read", Error(() => SafetensorsFile.Open("a\0b")), StringComparison.Ordinal);
    }

    [Fact]
    public void TryGet_AfterDispose_Throws()
    {
        SafetensorsFile file = SafetensorsFile.Open(Save(Safetensors("{}")));
        file.Dispose();
        file.Dispose();
        Assert.Throws<ObjectDisposedException>(() => file.TryGet("a", out _));
    }

    [Fact]
    public void ToFloats_HalfAndUnsupportedTypes_ConvertOrSayWhy()
    {
        byte[] halves = new byte[4];
        BinaryPrimitives.WriteHalfLittleEndian(halves, (Half)(-1.5f));
        BinaryPrimitives.WriteHalfLittleEndian(halves.AsSpan(2), Half.PositiveInfinity);
        string path = Path.Combine(TestData.NewFolder(), "t.safetensors");
        SafetensorsWriter.Write(path, [TensorToWrite.FromBytes("half", DType.F16, halves, 2), TensorToWrite.FromBytes("brain", DType.BF16, new byte[] { 0x20, 0xC0, 0x49, 0x40 }, 2), TensorToWrite.FromBytes("packed", DType.F4, new byte[1], 2)]);
        using SafetensorsFile file = SafetensorsFile.Open(path);
        Assert.Equal([-1.5f, float.PositiveInfinity], file.Tensors[0].ToFloats());
        Assert.Equal([-2.5f, 3.140625f], file.Tensors[1].ToFloats());
        Assert.Contains("expected F32, BF16 or F16", Error(() => file.Tensors[2].ToFloats()), StringComparison.Ordinal);
        Assert.Contains("4 bits", Error(() => file.Tensors[2].DType.Size()), StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => file.Tensors[0].AsSpan<float>().Length);
    }

    private static bool TryOpen(string path)
    {
        try
        {
            SafetensorsFile.Open(path).Dispose();
            return true;
        }
        catch (OllmException)
        {
            return false;
        }
    }
}
