using System.Globalization;
using OllmNative.Training;

namespace OllmNative.Tests;

public sealed class JsonLinesTests
{
    [Fact]
    public void Write_Values_MakesOneCultureInvariantLineEach()
    {
        string path = Path.Combine(TestData.NewFolder(), "run", "metrics.jsonl");
        using var lines = new JsonLines(path);
        lines.Write(("step", 1), ("loss", 0.25), ("kl", double.NaN), ("lr", float.PositiveInfinity), ("name", "a\n\"b\""), ("ok", true), ("none", null), ("list", new[] { 1.5, double.NaN }), ("tokens", 5L));
        using var reader = new StreamReader(new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite));
        Assert.Equal("""{"step":1,"loss":0.25,"kl":null,"lr":null,"name":"a\n\u0022b\u0022","ok":true,"none":null,"list":[1.5,null],"tokens":5}""", reader.ReadLine());
        Assert.Null(reader.ReadLine());
    }

    [Fact]
    public void Open_FileWithHalfALine_AppendsOnANewLine()
    {
        string path = Path.Combine(TestData.NewFolder(), "metrics.jsonl");
        File.WriteAllText(path, "{\"step\":1}\n{\"st");
        using (var lines = new JsonLines(path)) lines.Write(("step", 2));
        using (var lines = new JsonLines(path)) lines.Write(("step", 3));
        Assert.Equal(["{\"step\":1}", "{\"st", "{\"step\":2}", "{\"step\":3}"], File.ReadAllLines(path));
    }

    [Fact]
    public void Write_UnknownType_ThrowsAndWritesNothing()
    {
        string path = Path.Combine(TestData.NewFolder(), "metrics.jsonl");
        using (var lines = new JsonLines(path)) Assert.Throws<ArgumentException>(() => lines.Write(("at", CultureInfo.InvariantCulture)));
        Assert.Empty(File.ReadAllText(path));
    }
}
