using FsCheck;
using FsCheck.Fluent;
using OllmNative.Model;

namespace OllmNative.Tests;

public class TokenizerSplitterTests
{
    private static readonly Config Many = Config.QuickThrowOnFailure.WithMaxTest(3000);

    private static string[] Pieces(PieceSplitter splitter, string text)
    {
        var ends = new List<int>();
        splitter.Split(text, ends);
        return [.. ends.Select((end, i) => text[(i == 0 ? 0 : ends[i - 1])..end])];
    }

    [Fact]
    public void QwenScanner_RandomText_EqualsItsPattern()
    {
        // .NET does not fold the long s to s, as the engines do that the pattern is written for.
        var pattern = new RegexSplitter(QwenSplitter.Pattern.Replace("'s|", "'[s\u017F]|", StringComparison.Ordinal), "test");
        var scanner = new QwenSplitter();
        Check.One(Many, Prop.ForAll(TokenizerSamples.Texts(), text => Pieces(scanner, text).SequenceEqual(Pieces(pattern, text))));
    }

    [Fact]
    public void Gpt2Scanner_RandomText_EqualsItsPattern()
    {
        var pattern = new RegexSplitter(Gpt2Splitter.Pattern, "test");
        var scanner = new Gpt2Splitter();
        Check.One(Many, Prop.ForAll(TokenizerSamples.Texts(), text => Pieces(scanner, text).SequenceEqual(Pieces(pattern, text))));
    }

    [Theory]
    [InlineData("I'll go, they'VE 12 a", "I|'ll| go|,| they|'VE| |1|2| a")]
    [InlineData("a  b\n\n c   ", "a| | b|\n\n| c|   ")]
    [InlineData("x \t\r\n  y!!\n\nz", "x| \t\r\n| | y|!!\n\n|z")]
    [InlineData("(\U0001D465\U0001D466\U0001D7D9\U00020BB7) \U0001F9EE", "(\U0001D465\U0001D466|\U0001D7D9|\U00020BB7|)| \U0001F9EE")]
    public void QwenScanner_KnownText_GivesThesePieces(string text, string pieces) =>
        Assert.Equal(pieces.Split('|'), Pieces(new QwenSplitter(), text));

    [Fact]
    public void RegexSplitter_UnknownPattern_ClassifiesAstralCodePoints()
    {
        var splitter = new RegexSplitter(@"\p{Lu}|\p{Nd}{1,3}", "test");
        // Mathematical bold A is Lu, italic a is Ll; mathematical digits are Nd; what does not match is one piece between matches.
        Assert.Equal(
            ["\U0001D400", "\U0001D44E\U0001F9EE", "\U0001D7D9\U0001D7DA7", "8", "z"],
            Pieces(splitter, "\U0001D400\U0001D44E\U0001F9EE\U0001D7D9\U0001D7DA78z"));
    }

    [Fact]
    public void RegexSplitter_UnusablePattern_NamesThePlace()
    {
        var e = Assert.Throws<OllmException>(() => new RegexSplitter(@"\p{Han}+", "t.json: pre_tokenizer"));
        Assert.Contains("t.json: pre_tokenizer", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void RegexSplitter_PatternThatBacktracksForever_Stops()
    {
        var splitter = new RegexSplitter(@"(?=((a|aa)+)+b)\w+", "t.json: pre_tokenizer");
        var e = Assert.Throws<OllmException>(() => splitter.Split(new string('a', 200), []));
        Assert.Contains("backtracks", e.Message, StringComparison.Ordinal);
    }
}
