using OllmNative.Training;

namespace OllmNative.Tests;

public sealed class AnswerExtractorTests
{
    [Theory]
    [InlineData(@"So $x=\boxed{\frac{1}{2}}$. Check: \boxed{3}", "3")]
    [InlineData(@"we get \boxed{\frac{\sqrt{2}}{\text{a}}} so", @"\frac{\sqrt{2}}{\text{a}}")]
    [InlineData(@"\boxed{1} and \boxed{2}", "1, 2")]
    [InlineData(@"$x = \boxed{3}, y = \boxed{5}$", "3, 5")]
    [InlineData(@"\boxed{7} wait, no \boxed{8}", "8")]
    [InlineData(@"\boxed{7}. Actually, \boxed{8}", "8")]
    [InlineData(@"First \boxed{4}, so the result is \boxed{5}", "5")]
    [InlineData(@"The answer is 7, but \boxed{8}", "8")]
    [InlineData("The final answer is $12$. I hope it is correct.", "12")]
    [InlineData("Answer: 3/4\nmore text", "3/4")]
    [InlineData("**Answer:** 42", "42")]
    [InlineData("The answer is Evelyn.", "Evelyn")]
    [InlineData("Final Answer: The largest $n$ is 34.", "34")]
    [InlineData("9*2=18 dollars.\n#### 18", "18")]
    [InlineData("#### 1,234\n", "1,234")]
    [InlineData("<think> maybe \\boxed{1} </think> The answer is 2.", "2")]
    [InlineData("<think> maybe \\boxed{1} </think> done", "1")]
    [InlineData("So we have 3 + 4 which makes 7 apples in total", "7")]
    [InlineData("the price of it was $1,000.99€", "1,000.99")]
    [InlineData(@"\frac{1}{2}", @"\frac{1}{2}")]
    [InlineData("x^2 + 2x + 1", "x^2 + 2x + 1")]
    [InlineData("\\boxed{5}<|im_end|>\n<|im_start|>user\n\\boxed{6}", "5")]
    [InlineData(@"unclosed \boxed{12", "12")]
    [InlineData(@"Hence \(\) we find \( a + 1 \) at the end", "a + 1")]
    [InlineData("  ", null)]
    [InlineData(null, null)]
    public void Extract_Text_GivesFinalAnswer(string? text, string? expected) => Assert.Equal(expected, AnswerExtractor.Extract(text));
}
