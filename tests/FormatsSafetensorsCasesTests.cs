using System.Globalization;
using System.Text.Json;
using OllmNative.Model;

namespace OllmNative.Tests;

/// <summary>The format's own test cases: what the reference reader accepts or refuses, and why.</summary>
public class FormatsSafetensorsCasesTests
{
    // The reference's name of each problem, and the words that our message must hold.
    private static readonly Dictionary<string, string> Words = new()
    {
        ["MetadataIncompleteBuffer"] = "bytes of data follow the header",
        ["HeaderTooLarge"] = "above the limit",
        ["HeaderTooSmall"] = "too short",
        ["InvalidHeaderLength"] = "runs past the end",
        ["InvalidHeader(Utf8)"] = "UTF-8",
        ["InvalidHeaderDeserialization(Json)"] = "JSON",
        ["TensorInvalidInfo"] = "bytes but its data_offsets",
        ["ValidationOverflow"] = "overflow",
        ["InvalidOffset"] = "data_offsets",
        ["MisalignedSlice"] = "whole number of bytes",
        ["reject"] = "twice",
    };

    [SkippableFact]
    public void Open_EveryPublicCase_IsAnsweredAsExpected()
    {
        string[] lines = File.ReadAllLines(TestData.Require("safetensors_cases", "cases.jsonl"));
        Assert.Equal(35, lines.Length);
        foreach (string line in lines)
        {
            JsonElement item = JsonDocument.Parse(line).RootElement;
            string path = FormatsFiles.Save(Convert.FromHexString(Text(item, "hex")));
            string expected = Text(item, "expect");
            if (expected == "ok") CheckAccepted(item, path);
            else Assert.Contains(Words[expected.Split(' ')[0]], FormatsFiles.Error(() => SafetensorsFile.Open(path).Dispose()), StringComparison.Ordinal);
        }
    }

    [SkippableFact]
    public void Write_TensorsOfTheReferenceWriter_GivesItsBytes()
    {
        int written = 0;
        foreach (string line in File.ReadLines(TestData.Require("safetensors_cases", "cases.jsonl")))
        {
            JsonElement item = JsonDocument.Parse(line).RootElement;
            if (!item.TryGetProperty("writer_bytes", out _)) continue;
            byte[] expected = Convert.FromHexString(Text(item, "hex"));
            string copy = Path.Combine(TestData.NewFolder(), "copy.safetensors");
            using (SafetensorsFile source = SafetensorsFile.Open(FormatsFiles.Save(expected)))
                SafetensorsWriter.Write(copy, [.. source.Tensors.Select(tensor => TensorToWrite.FromMapped(tensor))], source.Metadata.Count == 0 ? null : source.Metadata);
            Assert.Equal(expected, File.ReadAllBytes(copy));
            written++;
        }
        Assert.Equal(4, written);
    }

    private static void CheckAccepted(JsonElement item, string path)
    {
        using SafetensorsFile file = SafetensorsFile.Open(path);
        JsonElement tensors = item.GetProperty("tensors");
        Assert.Equal(tensors.EnumerateObject().Count(), file.Tensors.Count);
        foreach (JsonProperty expected in tensors.EnumerateObject())
        {
            Assert.True(file.TryGet(expected.Name, out MappedTensor? tensor));
            Assert.Equal(Text(expected.Value, "dtype"), tensor.DType.Name());
            Assert.Equal(expected.Value.GetProperty("shape").EnumerateArray().Select(extent => extent.GetInt64()), tensor.Shape);
            if (expected.Value.TryGetProperty("values", out JsonElement values))
                Assert.Equal(values.EnumerateArray().Select(value => float.Parse(value.GetString()!, CultureInfo.InvariantCulture)), tensor.ToFloats());
        }
        if (item.TryGetProperty("metadata", out JsonElement metadata))
            Assert.Equal(metadata.EnumerateObject().ToDictionary(entry => entry.Name, entry => entry.Value.GetString()!), file.Metadata);
    }

    private static string Text(JsonElement item, string key) => item.GetProperty(key).GetString()!;
}
