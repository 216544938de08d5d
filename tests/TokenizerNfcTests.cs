using FsCheck;
using FsCheck.Fluent;
using OllmNative.Model;

namespace OllmNative.Tests;

public class TokenizerNfcTests
{
    [Theory]
    [InlineData("plain ASCII and é, 日本語, \U0001F9EE", "plain ASCII and é, 日本語, \U0001F9EE")]
    [InlineData("e\u0301", "é")]
    [InlineData("A\u030A \u212B \u2126", "Å Å Ω")]
    [InlineData("\u1112\u1161\u11AB\u1100\u1161", "한가")] // Hangul by arithmetic, with and without a trailing consonant
    [InlineData("\uAC00\u11A8", "각")]
    [InlineData("q\u0307\u0323", "q\u0323\u0307")] // marks in canonical order
    [InlineData("s\u0307\u0323", "\u1E69")] // composes over two steps after ordering
    [InlineData("a\u0300\u0300", "à\u0300")] // the second mark of one class is blocked
    [InlineData("\u0958", "\u0915\u093C")] // a composition exclusion stays apart
    [InlineData("\u0344", "\u0308\u0301")]
    [InlineData("\uF900\U0002F800", "豈丽")] // compatibility ideographs, one beyond the basic plane
    [InlineData("\U00011099\U000110BA", "\U0001109A")] // an astral pair composes
    [InlineData("\U0001D15E", "\U0001D157\U0001D165")]
    [InlineData("\uFB01 ½", "\uFB01 ½")] // compatibility forms are left alone
    public void Normalize_KnownText_GivesNfc(string text, string expected) =>
        Assert.Equal(expected, NfcNormalizer.Normalize(text).ToString());

    [Fact]
    public void Normalize_RandomText_IsIdempotent() =>
        Check.One(Config.QuickThrowOnFailure.WithMaxTest(2000), Prop.ForAll(TokenizerSamples.Texts(), text =>
        {
            string once = NfcNormalizer.Normalize(text).ToString();
            return NfcNormalizer.Normalize(once).ToString() == once;
        }));

    [Fact]
    public void Normalize_MarksOfDifferentClassesSwapped_GivesTheSame() =>
        Check.One(Config.QuickThrowOnFailure, Prop.ForAll(Gen.Elements("aeiousq한".ToCharArray()).ToArbitrary(), c =>
            NfcNormalizer.Normalize($"{c}\u0323\u0301").SequenceEqual(NfcNormalizer.Normalize($"{c}\u0301\u0323"))));
}
