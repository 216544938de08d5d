using System.IO.Compression;
using System.Text;
using FsCheck;
using FsCheck.Fluent;
using OllmNative.Model;
using OllmNative.Training;

namespace OllmNative.Tests;

public sealed class RowReaderTests
{
    private static string Write(string text, string name = "rows.jsonl")
    {
        string path = Path.Combine(TestData.NewFolder(), name);
        File.WriteAllText(path, text);
        return path;
    }

    private static DataRow One(string json) => Assert.Single(RowReader.Read(Write(json)));

    [Fact]
    public void Read_OpenMathReasoning_MapsColumns()
    {
        DataRow row = One("""{"expected_answer":"14","problem_type":"has_answer_extracted","problem":"P?","generated_solution":"<think>a</think>b","used_in_kaggle":true,"conflict":true}""");
        Assert.Equal((RowKind.OpenMathReasoning, "P?", "<think>a</think>b", "14"), (row.Kind, row.Problem, row.Completion, row.ExpectedAnswer));
        Assert.Equal("has_answer_extracted", row.Extra["problem_type"]);
        Assert.Equal("true", row.Extra["conflict"]);
        Assert.Null(One("""{"problem":"P","expected_answer":"n/a"}""").ExpectedAnswer);
        Assert.Null(One("""{"problem":"P","expected_answer":"3","generated_solution":null}""").Completion);
    }

    [Fact]
    public void Read_Gsm8k_TakesAnswerAfterHashes()
    {
        DataRow row = One("""{"question":"Q","answer":"work\n#### 1,200 "}""");
        Assert.Equal((RowKind.Gsm8k, "Q", "work\n#### 1,200 ", "1,200"), (row.Kind, row.Problem, row.Completion, row.ExpectedAnswer));
    }

    [Fact]
    public void Read_Math_TakesAnswerOrBox()
    {
        DataRow row = One("""{"problem":"P","solution":"so \\boxed{2}","answer":"2","question":"P","difficulty":4.5,"domain":["a","b"],"level":3}""");
        Assert.Equal((RowKind.Math, "P", "2"), (row.Kind, row.Problem, row.ExpectedAnswer));
        Assert.Equal(("4.5", "a; b", "3"), (row.Extra["difficulty"], row.Extra["domain"], row.Extra["level"]));
        Assert.Equal("2", One("""{"problem":"P","solution":"so \\boxed{2}"}""").ExpectedAnswer);
    }

    [Fact]
    public void Read_PromptMessagesText_SplitsAtCompletion()
    {
        DataRow prompt = One("""{"prompt":"a","completion":"b"}""");
        Assert.Equal((RowKind.PromptCompletion, "a", "b"), (prompt.Kind, prompt.Prompt, prompt.Completion));
        DataRow chat = One("""{"messages":[{"role":"system","content":"s"},{"role":"user","content":"u"},{"role":"assistant","content":"r"}]}""");
        Assert.Equal([new RowMessage("system", "s"), new RowMessage("user", "u")], chat.Messages);
        Assert.Equal("r", chat.Completion);
        DataRow text = One("""{"text":"t"}""");
        Assert.Equal((RowKind.Text, "", "t"), (text.Kind, text.Prompt, text.Completion));
    }

    [Fact]
    public void Read_Tokens_KeepsIdsAndPromptLength()
    {
        DataRow row = One("""{"tokens":[5,0,7],"prompt_length":3}""");
        Assert.Equal("5 0 7", string.Join(" ", row.Tokens!));
        Assert.Equal(3, row.PromptLength);
        Assert.Equal(0, One("""{"tokens":[5]}""").PromptLength);
    }

    [Theory]
    [InlineData("{\"text\":", "malformed JSON")]
    [InlineData("[1]", "an array; expected one JSON object")]
    [InlineData("{\"txt\":\"a\"}", "unknown columns (txt)")]
    [InlineData("{}", "unknown columns (none)")]
    [InlineData("{\"text\":5}", "text is 5; expected a string")]
    [InlineData("{\"problem\":[1]}", "problem is an array; expected a string")]
    [InlineData("{\"question\":\"q\"}", "no answer; expected question + answer")]
    [InlineData("{\"prompt\":\"q\"}", "expected prompt + completion")]
    [InlineData("{\"tokens\":[]}", "tokens is an empty array")]
    [InlineData("{\"tokens\":[1,-2]}", "tokens[1] is -2; expected a whole number")]
    [InlineData("{\"tokens\":[1.5]}", "tokens[0] is 1.5")]
    [InlineData("{\"tokens\":[\"1\"]}", "tokens[0] is a string")]
    [InlineData("{\"tokens\":[99999999999]}", "tokens[0] is 99999999999")]
    [InlineData("{\"tokens\":[1,2],\"prompt_length\":3}", "prompt_length is 3; expected a whole number from 0 to 2")]
    [InlineData("{\"tokens\":[1,2],\"prompt_length\":-1}", "prompt_length is -1")]
    [InlineData("{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}", "last message is of role user; expected assistant")]
    [InlineData("{\"messages\":[{\"role\":\"boss\",\"content\":\"a\"}]}", "messages[0] is not a turn")]
    [InlineData("{\"messages\":[]}", "messages is an empty array")]
    [InlineData("{\"text\":\"\\ud800\"}", "not valid Unicode")]
    public void Read_BadRow_NamesFileLineAndExpectation(string bad, string message)
    {
        string path = Write("{\"text\":\"good\"}\n\n" + bad + "\n{\"text\":\"last\"}");
        OllmException error = Assert.Throws<OllmException>(() => RowReader.Read(path).Count());
        Assert.StartsWith($"{path}:3: ", error.Message, StringComparison.Ordinal);
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
        Assert.Contains("expected", error.Message, StringComparison.Ordinal);

        var skipped = new List<string>();
        DataRow[] rows = RowReader.Read(path, skipBadRows: true, skipped.Add).ToArray();
        Assert.Equal([1, 4], rows.Select(row => row.Line));
        Assert.Equal(error.Message, Assert.Single(skipped));
    }

    [Fact]
    public void Read_FolderOfShards_ReadsThemInNameOrder()
    {
        string folder = TestData.NewFolder();
        File.WriteAllText(Path.Combine(folder, "b.jsonl"), "{\"text\":\"3\"}\r\n");
        File.WriteAllText(Path.Combine(folder, "notes.txt"), "not data");
        using (var gzip = new GZipStream(File.Create(Path.Combine(folder, "a.jsonl.gz")), CompressionLevel.Fastest))
        {
            gzip.Write("\uFEFF{\"text\":\"1\"}\n \t\r\n{\"text\":\"2\"}"u8);
        }

        Assert.Equal(["1", "2", "3"], RowReader.Read(folder).Select(row => row.Completion));
    }

    [Fact]
    public void Read_LineOver64Megabytes_IsRefusedAndCanBeSkipped()
    {
        string path = Path.Combine(TestData.NewFolder(), "long.jsonl.gz");
        using (var gzip = new GZipStream(File.Create(path), CompressionLevel.Fastest))
        {
            gzip.Write("{\"text\":\""u8);
            byte[] block = Encoding.ASCII.GetBytes(new string('a', 1 << 20));
            for (int i = 0; i < 65; i++) gzip.Write(block);
            gzip.Write("\"}\n{\"text\":\"b\"}\n"u8);
        }

        Assert.Contains(":1: the line is too long; expected at most 64 MB", Assert.Throws<OllmException>(() => RowReader.Read(path).Count()).Message, StringComparison.Ordinal);
        Assert.Equal("b", Assert.Single(RowReader.Read(path, skipBadRows: true)).Completion);
    }

    [Fact]
    public void Read_MissingPathEmptyFolderOrDamagedGzip_ThrowsOllmException()
    {
        string folder = TestData.NewFolder();
        Assert.Contains("no such file or folder", Assert.Throws<OllmException>(() => RowReader.Read(Path.Combine(folder, "none.jsonl"))).Message, StringComparison.Ordinal);
        Assert.Contains("has no data", Assert.Throws<OllmException>(() => RowReader.Read(folder)).Message, StringComparison.Ordinal);
        string damaged = Write("this is not gzip", "x.jsonl.gz");
        Assert.Contains("expected a whole gzip file", Assert.Throws<OllmException>(() => RowReader.Read(damaged, skipBadRows: true).Count()).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Read_GzipCutAnywhere_IsRefusedAlsoWhereBadRowsAreSkipped(bool skipBadRows)
    {
        byte[] whole = Gzipped(string.Concat(Enumerable.Range(0, 40).Select(i => $"{{\"text\":\"row {i * 7919}\"}}\n")));
        string path = Path.Combine(TestData.NewFolder(), "cut.jsonl.gz");
        for (int length = 0; length < whole.Length; length += 5)
        {
            File.WriteAllBytes(path, whole[..length]);
            string message = Assert.Throws<OllmException>(() => RowReader.Read(path, skipBadRows).Count()).Message;
            Assert.Contains("it is cut short", message, StringComparison.Ordinal);
            Assert.StartsWith(path, message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Read_GzipOfSeveralMembers_ReadsAllOfThem()
    {
        string path = Path.Combine(TestData.NewFolder(), "joined.jsonl.gz");
        File.WriteAllBytes(path, [.. Gzipped("{\"text\":\"1\"}\n"), .. Gzipped("{\"text\":\"2\"}\n{\"text\":\"3\"}\n")]);
        Assert.Equal(["1", "2", "3"], RowReader.Read(path).Select(row => row.Completion));
    }

    private static byte[] Gzipped(string text)
    {
        using var bytes = new MemoryStream();
        using (var gzip = new GZipStream(bytes, CompressionLevel.Optimal)) gzip.Write(Encoding.UTF8.GetBytes(text));
        return bytes.ToArray();
    }

    [Fact]
    public void Read_GarbageBytes_ThrowsOnlyOllmException()
    {
        string folder = TestData.NewFolder();
        byte[] seed = "{\"tokens\":[1,2],\"prompt_length\":1}\n{\"messages\":[{\"role\":\"user\",\"content\":\"é\"}]}\n{\"problem\":\"p\",\"answer\":\"\\u00e9\"}"u8.ToArray();
        Prop.ForAll<byte[], (int At, byte Value)[]>((garbage, edits) =>
        {
            byte[] edited = seed.ToArray();
            foreach ((int at, byte value) in edits) edited[(uint)at % edited.Length] = value;
            foreach ((byte[] bytes, string name) in new[] { (garbage, "a.jsonl"), (edited, "b.jsonl"), (garbage, "c.jsonl.gz") })
            {
                string path = Path.Combine(folder, name);
                File.WriteAllBytes(path, bytes);
                foreach (bool skip in new[] { true, false })
                {
                    try
                    {
                        foreach (DataRow row in RowReader.Read(path, skip)) Assert.True(row.Line > 0);
                    }
                    catch (OllmException e)
                    {
                        Assert.Contains("expected", e.Message, StringComparison.Ordinal);
                    }
                }
            }
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(400));
    }

    [SkippableTheory]
    [InlineData("gsm8k/train.jsonl", RowKind.Gsm8k, 7473)]
    [InlineData("gsm8k/test.jsonl", RowKind.Gsm8k, 1319)]
    [InlineData("math500/math500_test.jsonl", RowKind.Math, 500)]
    [InlineData("omni_math/omni_math_num_500.jsonl", RowKind.Math, 500)]
    [InlineData("omni_math/omni_math_original_schema_135.jsonl", RowKind.Math, 135)]
    [InlineData("openmath/openmathinstruct2_sample.jsonl", RowKind.OpenMathReasoning, 0)]
    public void Read_PublicDataSet_EveryRowHasProblemAndAnswer(string file, string kind, int count)
    {
        DataRow[] rows = RowReader.Read(TestData.Require(file.Split('/'))).ToArray();
        if (count > 0) Assert.Equal(count, rows.Length);
        Assert.NotEmpty(rows);
        Assert.All(rows, row => Assert.True(row.Kind == kind && row.Problem!.Length > 0 && row.ExpectedAnswer != null && row.Completion != null, $"line {row.Line}"));
    }
}
