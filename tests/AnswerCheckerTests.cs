using System.Diagnostics;
using FsCheck;
using FsCheck.Fluent;
using OllmNative.Training;

namespace OllmNative.Tests;

/// <summary>The rules of docs/answers.md, one block a rule.</summary>
public sealed class AnswerCheckerTests
{
    [Theory]
    // spelling
    [InlineData(@"\dfrac{3}{4}", @"\tfrac34")]
    [InlineData(@"\left(\frac{1}{2}\right)", "1/2")]
    [InlineData(@"\mathrm{e}^2", "e^{2}")]
    [InlineData(@"$\boxed{12}$", "12")]
    [InlineData(@"\\frac{1}{2}", ".5")]
    [InlineData("x₁", "x₁")]
    [InlineData("2×3²", "18")]
    // numbers
    [InlineData("1,234,567", "1234567")]
    [InlineData(@"10{,}000", "10000")]
    [InlineData(@"12\,345", "12345")]
    [InlineData("1000,99", "1000.99")]
    [InlineData(@"0.\overline{3}", "1/3")]
    [InlineData(@"0.1\overline{6}", @"\frac16")]
    [InlineData(@"3\frac{1}{2}", "3.5")]
    [InlineData("2 1/2", "5/2")]
    [InlineData(@"1.5\times10^{3}", "1500")]
    [InlineData("1e-3", "0.001")]
    [InlineData(@"It falls on \boxed{\text{June 20}}", "June 20")]
    [InlineData("June 20", @"\boxed{\text{June 20}}")]
    [InlineData(@"\gcd(12, 18, -8)", "2")]
    [InlineData(@"\text{lcm}(4, 6)", @"\operatorname{lcm}(6, 4)")]
    [InlineData(@"\gcd(0, 7) + \max(2, 3)", "10")]
    [InlineData("-007", "-7")]
    [InlineData("5!", "120")]
    [InlineData(@"\binom{5}{2}", "10")]
    [InlineData("3 million", "3000000")]
    [InlineData("two", "2")]
    [InlineData("One half", "0.5")]
    [InlineData(@"$\frac{1}{3}$ cup", "1/3")]
    // sets by their condition, parameters
    [InlineData(@"\{x \mid x > 2\}", @"(2, \infty)")]
    [InlineData(@"\{x\in\mathbb{R} : 0 \le x < 1\}", "[0, 1)")]
    [InlineData(@"k\pi, k \in \mathbb{Z}", @"\pi k")]
    [InlineData(@"\frac{\pi}{4} + k\pi \quad (k\in\mathbb{Z})", @"\frac{\pi}{4} + k\pi")]
    // rounding
    [InlineData("0.3333", @"\frac{1}{3}")]
    [InlineData("3.1416", @"\pi")]
    // closed forms
    [InlineData(@"\frac{1}{\sqrt{2}}", @"\frac{\sqrt 2}{2}")]
    [InlineData(@"\sqrt{\sqrt{16}}", "2")]
    [InlineData(@"\sqrt[3]{-8}", "-2")]
    [InlineData(@"\cos 60^\circ", "0.5")]
    [InlineData(@"\sin^2 1+\cos^2 1", "1")]
    [InlineData(@"\log_2 8", "3")]
    [InlineData(@"e^{i\pi}", "-1")]
    [InlineData("(1+i)^2", "2i")]
    // units
    [InlineData(@"15\text{ cm}^2", "15")]
    [InlineData(@"5 \text{ m}", "5")]
    [InlineData(@"9.8\mathrm{~N}", "9.8")]
    [InlineData(@"7^{\text{th}}", "7")]
    [InlineData(@"{10 \choose 3}", "120")]
    [InlineData(@"\mp 3", @"\pm 3")]
    [InlineData("1{,}5", "1.5")]
    [InlineData(@"\textcolor{blue}{5}", "5")]
    [InlineData(@"5 \tag{1}", "5")]
    [InlineData(@"1, 2, \ldots, n", @"1,2,\dots,n")]
    [InlineData(@"\text{all real numbers}", @"(-\infty, \infty)")]
    [InlineData("There are no real solutions.", @"\emptyset")]
    [InlineData("Option (E)", "E")]
    [InlineData(@"x \le 0 \text{ or } x > 5", @"(-\infty, 0] \cup (5, \infty)")]
    [InlineData(@"x = 1, x > 2", @"\{1\} \cup (2, \infty)")]
    [InlineData("90^\\circ", "90")]
    [InlineData(@"\$4.50", "4.5")]
    [InlineData("28 percent", @"28\%")]
    [InlineData("0.28", "28%")]
    [InlineData("28", @"28\%")]
    // variables
    [InlineData("(x+1)^2", "x^2+2x+1")]
    [InlineData(@"\frac{x^2-1}{x-1}", "x+1")]
    [InlineData(@"\sqrt{x^2}", "x")]
    [InlineData(@"\sec^2 y", @"1+\tan^2 y")]
    [InlineData("2^{n+1}", @"2\cdot2^n")]
    [InlineData("f(x)=x+1", "f(n)=n+1")]
    [InlineData("f(n)=kn", "f(k)=nk")]
    [InlineData(@"\lfloor \frac{n+2}{2} \rfloor", @"1 + \lfloor n/2 \rfloor")]
    [InlineData(@"-\lfloor -x \rfloor", @"\lceil x \rceil")]
    // equations and inequalities
    [InlineData("x = 5", "5")]
    [InlineData("f(x)=x+1", "1+x")]
    [InlineData("y = 2x + 1", "2x - y + 1 = 0")]
    [InlineData("x = 2+3 = 5", "5")]
    [InlineData("3 + 4 = 7", "7")]
    [InlineData("x > 3", @"(3, \infty)")]
    [InlineData(@"-1 < x \le 2", "(-1, 2]")]
    [InlineData("5 >= x", "x <= 5")]
    [InlineData("-x > -1", "x < 1")]
    // lists, tuples, sets, intervals, matrices
    [InlineData("1, 2, 3", @"\{3,2,1\}")]
    [InlineData("1 and 2", "2, 1")]
    [InlineData(@"1 \pm \sqrt{2}", @"1-\sqrt2, 1+\sqrt2")]
    [InlineData("(1, 0.5)", @"\left(1, \frac12\right)")]
    [InlineData("(p,q)=(3,2)", "(3,2)")]
    [InlineData(@"(0,1)\cup[2,\infty)", @"[2,+\infty) \cup (0,1)")]
    [InlineData(@"(-\infty,\infty)", @"\mathbb{R}")]
    [InlineData(@"\begin{pmatrix}1&2\\3&4\end{pmatrix}", @"\begin{bmatrix} 1 & 2 \\ 3 & \frac{8}{2} \\ \end{bmatrix}")]
    [InlineData(@"\begin{pmatrix}1\\2\end{pmatrix}", "(1,2)")]
    [InlineData(@"\emptyset", @"\{\}")]
    // choices and words
    [InlineData(@"\text{(C)}", "C")]
    [InlineData("B. 12", "B")]
    [InlineData(@"\textbf{(B)}\ 12", "12")]
    [InlineData("Yes", @"\text{yes}.")]
    public void Equivalent_SameMeaning_IsTrueBothWays(string a, string b)
    {
        Assert.True(AnswerChecker.Equivalent(a, b));
        Assert.True(AnswerChecker.Equivalent(b, a));
    }

    [Theory]
    [InlineData("2^{n-1}", "2^n-1")]
    [InlineData(@"\lceil \frac{n}{t} \rceil", @"\lceil \log_2 n \rceil")]
    [InlineData(@"\lfloor x \rfloor", @"\lceil x \rceil")]
    [InlineData("n", @"n \text{ must be odd}")]
    [InlineData("2n", @"2 \text{ if } n \text{ is even}")]
    [InlineData(@"\frac{1}{23}", @"\frac{12}{3}")]
    [InlineData("x_{12}", "x_{1}2")]
    [InlineData(@"\sqrt{x+1}", @"\sqrt{x}+1")]
    [InlineData(@"\overline{z}", "z")]
    [InlineData("f(x)=x+1", "f(n)=n+2")]
    [InlineData("f(x)=nx", "f(n)=nn")]
    [InlineData(@"2\mathrm{i}", "2")]
    [InlineData(@"x \le 0 \text{ or } y > 5", @"(-\infty, 0] \cup (5, \infty)")]
    [InlineData(@"x \le 0 \text{ or } x \ge 5", @"(-\infty, 0] \cup (5, \infty)")]
    [InlineData("5", "5.001")]
    [InlineData("0.33", "1/3")]
    [InlineData("0.3334", "1/3")]
    [InlineData("100000000000000000000", "100000000000000000001")]
    [InlineData("3.14159", "3.1416")]
    [InlineData("(1,2)", "(2,1)")]
    [InlineData("(1,2)", "[1,2]")]
    [InlineData("[0,1)", "[0,2)")]
    [InlineData("1,2", "1,2,3")]
    [InlineData("x > 3", "x < 3")]
    [InlineData("x > 3", "x >= 3")]
    [InlineData("x = 5", "y = 5")]
    [InlineData("|x|", "x")]
    [InlineData("x+1", "y+1")]
    [InlineData("x^2", "x^3")]
    [InlineData(@"\infty", "5")]
    [InlineData(@"\infty", @"-\infty")]
    [InlineData("9^9^9^9", "9^9^9^8")]
    [InlineData("1/0", "2/0")]
    [InlineData("204_5", "204")]
    [InlineData("2012_3", "2011_3")]
    [InlineData("C", "D")]
    [InlineData("two", "3")]
    [InlineData(@"\{x \mid x > 2\}", @"(3, \infty)")]
    [InlineData(@"k\pi, k \in \mathbb{Z}", @"2k\pi")]
    [InlineData("Yes", "No")]
    [InlineData("32, 349", "32349")]
    [InlineData("28%", "29%")]
    [InlineData("28%", "2.8")]
    [InlineData("AZYUK2A", "2")]
    [InlineData("", "")]
    [InlineData(null, "0")]
    [InlineData("0", null)]
    public void Equivalent_OtherMeaning_IsFalseBothWays(string? a, string? b)
    {
        Assert.False(AnswerChecker.Equivalent(a, b));
        Assert.False(AnswerChecker.Equivalent(b, a));
    }

    [Fact]
    public void Equivalent_HostileInputs_EndsWithinTwoSeconds()
    {
        string[] hostile =
        [
            "9^9^9^9^9", "((2^8000)^8000)^8000", "1000000!", "500!!!!", "10^{10^{10}}", @"\binom{100000}{500}^{99}",
            new string('(', 50_000), new string('{', 3_000) + "1", string.Concat(Enumerable.Repeat(@"\frac{", 500)), string.Concat(Enumerable.Repeat(@"\boxed{", 20_000)),
            string.Concat(Enumerable.Repeat(@"\(", 50_000)), string.Concat(Enumerable.Repeat("$$", 50_000)), string.Concat(Enumerable.Repeat("1,", 1_900)) + "2",
            string.Concat(Enumerable.Repeat("x_1+", 900)) + "y", string.Concat(Enumerable.Repeat(@"1\pm", 500)) + "1", string.Concat(Enumerable.Repeat("|x", 900)),
            string.Concat(Enumerable.Repeat("the answer is ", 20_000)), string.Concat(Enumerable.Repeat(@"\text{", 600)), new string('9', 3_900), "1" + new string(' ', 100_000) + "a",
            "^^^^", "_", @"\", "{", "}", @"\frac", @"\begin{pmatrix}", @"\sqrt[", "|", "\ud800", "\0",
        ];
        foreach (string text in hostile)
        {
            foreach (string other in (string[])[text, "1", string.Concat(text.Reverse().Take(3_000))])
            {
                long start = Stopwatch.GetTimestamp();
                AnswerChecker.Equivalent(text, other);
                AnswerChecker.Equivalent(other, text + "1");
                Assert.True(Stopwatch.GetElapsedTime(start).TotalSeconds < 2, text[..Math.Min(40, text.Length)]);
            }
        }
    }

    [Theory]
    [InlineData("1e-2147483648")]
    [InlineData("1.5e-2147483648")]
    [InlineData("1e2147483647")]
    [InlineData("2^{-2147483648}")]
    public void Equivalent_ExponentAtTheEndOfItsRange_IsNoNumberButNoError(string text)
    {
        Assert.True(AnswerChecker.Equivalent(text, text));
        Assert.False(AnswerChecker.Equivalent(text, "7"));
    }

    [Fact]
    public void Equivalent_RandomText_NeverThrowsAndIsReflexive()
    {
        string[] pieces = [.. "0123456789.,;:+-*/^_=<>!%|()[]{}$& abxyeiN\n".Select(c => c.ToString()), "\\frac", "\\sqrt", "\\boxed{", "\\text{", "\\pm", "\\pi", "\\infty", "\\cup", "\\left", "\\right",
            "\\begin{pmatrix}", "\\end{pmatrix}", "\\\\", "\\sin", "\\log", "\\%", "\\{", "\\}", "and", "∈", "²", "answer is", "\\circ", "\\overline", "\\in", "\\le"];
        Gen<string> text = Gen.Elements(pieces).ArrayOf().Select(string.Concat);
        Prop.ForAll(text.ToArbitrary(), text.ToArbitrary(), (a, b) =>
        {
            AnswerChecker.Equivalent(a, b);
            return AnswerChecker.Equivalent(a, a) == !string.IsNullOrWhiteSpace(a);
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(3000).WithEndSize(60));
        Prop.ForAll<string?, string?>((a, b) => AnswerChecker.Equivalent(a, b) == AnswerChecker.Equivalent(a, b)).Check(Config.QuickThrowOnFailure.WithMaxTest(500));
    }

    [Fact]
    public void Equivalent_RandomFractions_AgreesWithArithmetic() =>
        Prop.ForAll<int, int, int>((a, b, k) =>
        {
            if (b == 0 || k == 0) return true;
            bool same = AnswerChecker.Equivalent($@"\frac{{{(long)a * k}}}{{{(long)b * k}}}", $"{a}/({b})");
            return same && !AnswerChecker.Equivalent($"{a}/({b})", $"({a}+1)/({b})");
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(500));
}
