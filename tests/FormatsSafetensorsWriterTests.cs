using System.Buffers.Binary;
using FsCheck;
using FsCheck.Fluent;
using OllmNative.Model;
using static OllmNative.Tests.FormatsFiles;

namespace OllmNative.Tests;

public unsafe class FormatsSafetensorsWriterTests
{
    private static readonly DType[] WholeByteTypes = [.. Enum.GetValues<DType>().Where(type => type.Bits() % 8 == 0)];

    [Fact]
    public void Write_RandomTensors_ReadBackTheSame()
    {
        Gen<(string Name, DType Type, long[] Shape, int Seed)> tensor =
            from name in ArbMap.Default.GeneratorFor<NonNull<string>>()
            from type in Gen.Elements(WholeByteTypes)
            from rank in Gen.Choose(0, 4)
            from shape in Gen.Choose(0, 5).ArrayOf(rank)
            from seed in Gen.Choose(0, int.MaxValue)
            select (name.Get, type, shape.Select(extent => (long)extent).ToArray(), seed);
        string path = Path.Combine(TestData.NewFolder(), "random.safetensors");
        Prop.ForAll(tensor.ListOf().ToArbitrary(), drawn => RoundTrips(path, [.. drawn.Where(t => IsText(t.Name)).DistinctBy(t => t.Name)])).QuickCheckThrowOnFailure();
    }

    [Fact]
    public void Write_OddSizes_AlignsEveryTensorToItsElement()
    {
        string path = Path.Combine(TestData.NewFolder(), "t.safetensors");
        SafetensorsWriter.Write(path,
        [
            TensorToWrite.FromBytes("u8", DType.U8, new byte[3], 3), Counting("f32", 1), TensorToWrite.FromBytes("bf16", DType.BF16, new byte[2], 1),
            TensorToWrite.FromBytes("i64", DType.I64, new byte[8], 1),
        ]);
        Assert.Equal(0, BinaryPrimitives.ReadInt64LittleEndian(File.ReadAllBytes(path)) % 8);
        using SafetensorsFile file = SafetensorsFile.Open(path);
        Assert.Equal(["i64", "f32", "bf16", "u8"], file.Tensors.Select(tensor => tensor.Name));
        Assert.All(file.Tensors, tensor => Assert.Equal(0, (long)tensor.Data % tensor.DType.Size()));
    }

    [Fact]
    public void Write_UnicodeNamesAndMetadata_AreKept()
    {
        string path = Path.Combine(TestData.NewFolder(), "t.safetensors");
        var metadata = new Dictionary<string, string> { ["größe"] = "über \"80\"\n", ["a"] = "" };
        SafetensorsWriter.Write(path, [Counting("слой.0\t权重", 2)], metadata);
        using SafetensorsFile file = SafetensorsFile.Open(path);
        Assert.Equal("слой.0\t权重", Assert.Single(file.Tensors).Name);
        Assert.Equal(metadata, file.Metadata);
    }

    [Fact]
    public void Write_OverAMappedFile_LeavesItsReaderTheOldData()
    {
        string path = Path.Combine(TestData.NewFolder(), "t.safetensors");
        SafetensorsWriter.Write(path, [TensorToWrite.FromFloats("a", new float[] { 1 }, 1)]);
        using SafetensorsFile before = SafetensorsFile.Open(path);
        SafetensorsWriter.Write(path, [TensorToWrite.FromFloats("a", new float[] { 2 }, 1)]);
        using SafetensorsFile after = SafetensorsFile.Open(path);
        Assert.Equal(1, before.Tensors[0].AsSpan<float>()[0]);
        Assert.Equal(2, after.Tensors[0].AsSpan<float>()[0]);
    }

    [Fact]
    public void Write_DataThatFails_KeepsTheOldFileAndLeavesNoOther()
    {
        string path = Path.Combine(TestData.NewFolder(), "t.safetensors");
        SafetensorsWriter.Write(path, [Counting("a", 3)]);
        byte[] old = File.ReadAllBytes(path);
        Assert.Throws<InvalidOperationException>(() => SafetensorsWriter.Write(path, [new TensorToWrite("a", DType.F32, [3], stream => stream.Write(new byte[11]))]));
        Assert.Throws<TimeoutException>(() => SafetensorsWriter.Write(path, [new TensorToWrite("a", DType.F32, [3], _ => throw new TimeoutException())]));
        Assert.Equal(old, File.ReadAllBytes(path));
        Assert.Single(Directory.GetFiles(Path.GetDirectoryName(path)!));
    }

    [Fact]
    public void Write_IntoAMissingFolder_NamesThePath()
    {
        string path = Path.Combine(TestData.NewFolder(), "none", "t.safetensors");
        Assert.Contains(path, Error(() => SafetensorsWriter.Write(path, [])), StringComparison.Ordinal);
    }

    [Fact]
    public void Write_RepeatedOrReservedName_Throws()
    {
        string path = Path.Combine(TestData.NewFolder(), "t.safetensors");
        Assert.Throws<ArgumentException>(() => SafetensorsWriter.Write(path, [Counting("a"), Counting("a")]));
        Assert.Throws<ArgumentException>(() => SafetensorsWriter.Write(path, [Counting("__metadata__")]));
        Assert.False(File.Exists(path));
    }

    [Fact]
    public void TensorToWrite_ImpossibleShape_Throws()
    {
        Assert.Throws<ArgumentException>(() => new TensorToWrite("a", DType.F32, [-1], _ => { }));
        Assert.Throws<ArgumentException>(() => new TensorToWrite("a", DType.F32, [1L << 40, 1L << 40], _ => { }));
        Assert.Throws<ArgumentException>(() => new TensorToWrite("a", DType.F4, [3], _ => { }));
        Assert.Throws<ArgumentException>(() => TensorToWrite.FromFloats("a", new float[3], 2, 2));
    }

    [Fact]
    public void Open_TensorAbove4GB_IsReadAtItsEnd()
    {
        const long elements = 4_500_000_000;
        string folder = TestData.NewFolder(), path = Path.Combine(folder, "large.safetensors");
        byte[] header = Safetensors($$$"""{"big":{"dtype":"U8","shape":[{{{elements}}}],"data_offsets":[0,{{{elements}}}]},"last":{"dtype":"U8","shape":[1],"data_offsets":[{{{elements}}},{{{elements + 1}}}]}}""");
        using (FileStream stream = File.Create(path)) // Sparse: it takes a few blocks on the disk.
        {
            stream.Write(header);
            stream.SetLength(header.Length + elements + 1);
            stream.Position = header.Length + elements;
            stream.WriteByte(7);
        }
        try
        {
            using SafetensorsFile file = SafetensorsFile.Open(path);
            Assert.Equal(7, *file.Tensors[1].Data);
            Assert.Equal(elements, file.Tensors[0].ElementCount);
            Assert.True(file.Tensors[0].Data + elements == file.Tensors[1].Data);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static bool RoundTrips(string path, (string Name, DType Type, long[] Shape, int Seed)[] drawn)
    {
        byte[][] data = [.. drawn.Select(t => RandomBytes(t.Seed, t.Shape.Aggregate((long)t.Type.Size(), (bytes, extent) => bytes * extent)))];
        SafetensorsWriter.Write(path, [.. drawn.Select((t, i) => TensorToWrite.FromBytes(t.Name, t.Type, data[i], t.Shape))]);
        using SafetensorsFile file = SafetensorsFile.Open(path);
        Assert.Equal(drawn.Length, file.Tensors.Count);
        for (int i = 0; i < drawn.Length; i++)
        {
            Assert.True(file.TryGet(drawn[i].Name, out MappedTensor? tensor));
            Assert.Equal(drawn[i].Type, tensor.DType);
            Assert.Equal(drawn[i].Shape, tensor.Shape);
            Assert.Equal(data[i], new ReadOnlySpan<byte>(tensor.Data, (int)tensor.ByteLength).ToArray());
        }
        return true;
    }

    private static byte[] RandomBytes(int seed, long count)
    {
        byte[] bytes = new byte[count];
        new System.Random(seed).NextBytes(bytes);
        return bytes;
    }

    private static bool IsText(string name) => System.Text.Encoding.UTF8.GetString(System.Text.Encoding.UTF8.GetBytes(name)) == name;
}
