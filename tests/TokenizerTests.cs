using System.Diagnostics;
using System.Text;
using System.Text.Json.Nodes;
using FsCheck;
using FsCheck.Fluent;
using OllmNative.Model;

namespace OllmNative.Tests;

public class TokenizerTests
{
    private static readonly Tokenizer Small = TokenizerSamples.Load();

    [Fact]
    public void Encode_KnownText_MergesByRankWithinPieces()
    {
        // "th e" comes before "Ġ th", so the space stays apart.
        Assert.Equal(["Ġ", "the", "Ġth", "ing"], Written(Small.Encode(" the thing")));
        Assert.Equal(["aa", "aaa"], Written(Small.Encode("aaaaa"))); // aa aa a, and then "aa a"
        Assert.Equal(["i", "'ll", "ĠĠĠĠ", "Ġ", "x"], Written(Small.Encode("i'll     x")));
        Assert.Equal(["Ã©", "æĹ¥"], Written(Small.Encode("e\u0301日")));
        Assert.Empty(Small.Encode(""));
    }

    [Fact]
    public void Encode_MergesByScanAndByHeap_GiveTheSame()
    {
        // A run without spaces is one piece; each prefix of it shorter than the heap's threshold goes the other way.
        var random = new Random(7);
        foreach (int length in new[] { 90, 96, 97, 130, 400 })
        {
            string text = new([.. Enumerable.Range(0, length).Select(_ => "aating"[random.Next(6)])]);
            Assert.Equal(NaiveMerge(text), Written(Small.Encode(text)));
        }
    }

    [Fact]
    public void Encode_RandomText_DecodesToItsNormalForm() =>
        Check.One(Config.QuickThrowOnFailure.WithMaxTest(2000), Prop.ForAll(TokenizerSamples.Texts(), text =>
            Small.Decode(Small.Encode(text)) == NfcNormalizer.Normalize(text).ToString()));

    [Fact]
    public void Encode_AddedTokens_AreFoundUnlessForbidden()
    {
        const string text = "a<|start|>the<note><|end|>";
        Assert.Equal([IdOf("a"), TokenizerSamples.Start, IdOf("the"), TokenizerSamples.Note, TokenizerSamples.End], Small.Encode(text));
        int[] plain = Small.Encode(text, allowSpecial: false);
        Assert.DoesNotContain(plain, id => id >= TokenizerSamples.End);
        Assert.Equal(text, Small.Decode(plain));
    }

    [Fact]
    public void Encode_AddedTokenThatBeginsAnother_LongestIsTaken()
    {
        Tokenizer tokenizer = TokenizerSamples.Load(f => f["added_tokens"]!.AsArray().Add(TokenizerSamples.Added(303, "<note>s", special: false)));
        Assert.Equal([303, TokenizerSamples.Note], tokenizer.Encode("<note>s<note>"));
    }

    [Fact]
    public void Encode_AddedTokenFlags_AreObeyed()
    {
        Tokenizer tokenizer = TokenizerSamples.Load(f =>
        {
            JsonArray added = f["added_tokens"]!.AsArray();
            added.Add(TokenizerSamples.Added(303, "[L]", special: false, left: true));
            added.Add(TokenizerSamples.Added(304, "[R]", special: false, right: true));
            added.Add(TokenizerSamples.Added(305, "word", special: false, singleWord: true));
            added.Add(TokenizerSamples.Added(306, "caf\u00E9", special: false, normalized: true));
        });
        int a = IdOf("a"), space = IdOf("Ġ");
        Assert.Equal([a, 303, space, a], tokenizer.Encode("a \n[L] a"));
        Assert.Equal([a, space, 304, a], tokenizer.Encode("a [R] \t a"));
        Assert.Equal([a, space, 305], tokenizer.Encode("a word"));
        Assert.DoesNotContain(305, tokenizer.Encode("awords word_"));
        Assert.Equal([306], tokenizer.Encode("cafe\u0301"));
    }

    [Fact]
    public void Encode_UnpairedSurrogate_BecomesReplacementCharacter() =>
        Assert.Equal("a\uFFFDb\uFFFD", Small.Decode(Small.Encode("a\uD835b\uDC00")));

    [Fact]
    public void Encode_ByteLevelAlone_UsesGpt2Pattern()
    {
        Tokenizer tokenizer = TokenizerSamples.Load(f => f["pre_tokenizer"] = TokenizerSamples.ByteLevel(useRegex: true, prefixSpace: true));
        Assert.Equal(["Ġ", "the", "Ġ", "1", "2"], Written(tokenizer.Encode("the 12"), tokenizer));
    }

    [Fact]
    public void Encode_IgnoreMerges_TakesWholePieces()
    {
        // "ing" under another pattern of merges: without its last merge it is reached only as a whole piece.
        void Unreachable(JsonObject f) => f["model"]!["merges"]!.AsArray().RemoveAt(3);
        Assert.Equal(["in", "g"], Written(TokenizerSamples.Load(Unreachable).Encode("ing")));
        Assert.Equal(["ing"], Written(TokenizerSamples.Load(f =>
        {
            Unreachable(f);
            f["model"]!["ignore_merges"] = true;
        }).Encode("ing")));
    }

    [Fact]
    public void Encode_MergesAsPairsBeforeVocabulary_GivesTheSame()
    {
        Tokenizer pairs = TokenizerSamples.Load(f =>
        {
            JsonObject old = f["model"]!.AsObject();
            JsonNode vocab = old["vocab"]!.DeepClone();
            f["model"] = new JsonObject
            {
                ["merges"] = TokenizerSamples.AsPairs(old["merges"]!.AsArray()),
                ["vocab"] = vocab,
            };
        });
        const string text = "the thing i'll aaaa";
        Assert.Equal(Small.Encode(text), pairs.Encode(text));
    }

    [Fact]
    public void Encode_OneLongPiece_IsNotQuadratic()
    {
        string text = string.Concat(Enumerable.Repeat("athingall", 100_000 / 9));
        var clock = Stopwatch.StartNew();
        int[] ids = Small.Encode(text);
        // Linear-ish code needs some 20 ms; quadratic code needs many seconds.
        Assert.True(clock.Elapsed < TimeSpan.FromSeconds(5), $"took {clock.Elapsed}");
        Assert.Equal(Enumerable.Repeat<string[]>(["a", "th", "ing", "a", "ll"], 100_000 / 9).SelectMany(t => t), Written(ids));
    }

    [Fact]
    public void Encode_ByManyThreads_GivesTheSame()
    {
        string[] texts = [.. Enumerable.Range(0, 200).Select(i => $"the {i} things i'll ring {new string('a', i)} 日本{i}")];
        int[][] expected = [.. texts.Select(t => Small.Encode(t))];
        Parallel.For(0, 2000, i => Assert.Equal(expected[i % 200], Small.Encode(texts[i % 200])));
    }

    [Fact]
    public void Decode_SkipSpecial_LeavesOutSpecialOnly() =>
        Assert.Equal("a<note>", Small.Decode(Small.Encode("<|start|>a<note><|end|>"), skipSpecial: true));

    [Theory]
    [InlineData(-1)]
    [InlineData(290)]
    [InlineData(303)]
    [InlineData(int.MaxValue)]
    public void Decode_IdWithoutToken_IsAnError(int id)
    {
        Assert.Contains($"{id}", Assert.Throws<OllmException>(() => Small.Decode([id])).Message, StringComparison.Ordinal);
        Assert.Throws<OllmException>(() => Small.NewStreamDecoder().Append(id));
        Assert.False(Small.IsSpecial(id));
    }

    [Fact]
    public void StreamDecoder_RandomBytes_JoinsToTheWholeDecode() =>
        Check.One(Config.QuickThrowOnFailure.WithMaxTest(1000), Prop.ForAll(ArbMap.Default.ArbFor<byte[]>(), bytes =>
        {
            int[] ids = [.. bytes.Select(b => Small.IdOf(ByteAlphabet.CharOf(b).ToString())!.Value)];
            return Streamed(ids) == Encoding.UTF8.GetString(bytes) && Small.Decode(ids) == Encoding.UTF8.GetString(bytes);
        }));

    [Fact]
    public void StreamDecoder_CharacterOverSeveralTokens_ComesOutWhole()
    {
        StreamDecoder decoder = Small.NewStreamDecoder(skipSpecial: true);
        int[] bytes = [.. Encoding.UTF8.GetBytes("\U0001F9EE").Select(b => (int)b)];
        Assert.Equal(["", "", "", "\U0001F9EE"], bytes.Select(b => decoder.Append(Small.IdOf(ByteAlphabet.CharOf((byte)b).ToString())!.Value)));
        Assert.Equal("", decoder.Append(TokenizerSamples.End));
        decoder.Append(Small.IdOf(ByteAlphabet.CharOf(0xF0).ToString())!.Value);
        Assert.Equal("\uFFFD", decoder.Flush());
        Assert.Equal("", decoder.Flush());
    }

    [Fact]
    public void TokenText_AnyToken_IsPrintable()
    {
        Assert.Equal("␣the", Small.TokenText(IdOf("Ġthe")));
        Assert.Equal("\\n", Small.TokenText(IdOf(ByteAlphabet.CharOf((byte)'\n').ToString())));
        Assert.Equal("\\xC3", Small.TokenText(IdOf(ByteAlphabet.CharOf(0xC3).ToString())));
        Assert.Equal("\\u{0}", Small.TokenText(IdOf(ByteAlphabet.CharOf(0).ToString())));
        Assert.Equal("<|end|>", Small.TokenText(TokenizerSamples.End));
        Assert.Equal("日"u8.ToArray(), Small.TokenBytes(IdOf("æĹ¥")).ToArray());
    }

    [Theory]
    [InlineData("""{"bos_token": null, "eos_token": "<|end|>"}""", null, TokenizerSamples.End, false)]
    [InlineData("""{"bos_token": {"__type": "AddedToken", "content": "<|start|>"}, "add_bos_token": true}""", TokenizerSamples.Start, null, true)]
    public void Load_TokenizerConfig_NamesTheEnds(string config, int? bos, int? eos, bool addBos)
    {
        Tokenizer tokenizer = TokenizerSamples.Load(config: config);
        Assert.Equal((bos, eos, addBos), (tokenizer.BosTokenId, tokenizer.EosTokenId, tokenizer.AddBosToken));
        Assert.Equal(303, tokenizer.VocabularySize);
        Assert.True(tokenizer.IsSpecial(TokenizerSamples.End));
        Assert.False(tokenizer.IsSpecial(TokenizerSamples.Note));
    }

    private static int IdOf(string token) => Small.IdOf(token)!.Value;

    private static string[] Written(IEnumerable<int> ids, Tokenizer? tokenizer = null) =>
        [.. ids.Select(id => ByteAlphabet.Write((tokenizer ?? Small).TokenBytes(id)))];

    private static string Streamed(int[] ids)
    {
        StreamDecoder decoder = Small.NewStreamDecoder();
        return string.Concat(ids.Select(decoder.Append)) + decoder.Flush();
    }

    /// <summary>The definition: join the lowest-ranked pair, leftmost first, until none is left.</summary>
    private static List<string> NaiveMerge(string piece)
    {
        List<string> merges = [.. TokenizerSamples.SmallFile()["model"]!["merges"]!.AsArray().Select(m => m!.GetValue<string>())];
        List<string> parts = [.. piece.Select(c => c.ToString())];
        while (true)
        {
            var found = Enumerable.Range(0, parts.Count - 1).Select(i => (Rank: merges.IndexOf($"{parts[i]} {parts[i + 1]}"), At: i))
                .Where(pair => pair.Rank >= 0).OrderBy(pair => pair.Rank).ThenBy(pair => pair.At).Take(1).ToList();
            if (found.Count == 0) return parts;
            parts[found[0].At] += parts[found[0].At + 1];
            parts.RemoveAt(found[0].At + 1);
        }
    }
}
