using System.Collections.Frozen;

namespace OllmNative.Training;

/// <summary>The spellings that the lexer knows: LaTeX commands, Unicode signs, functions, units and number words.</summary>
internal static class MathSymbols
{
    /// <summary>Commands that only space or style what follows.</summary>
    public static readonly FrozenSet<string> Ignored = Set(
        "left right big Big bigg Bigg bigl bigr Bigl Bigr biggl biggr Biggl Biggr middle quad qquad displaystyle textstyle scriptstyle limits nolimits " +
        "tiny small normalsize large Large LARGE huge Huge rm bf it cal mathstrut hfill hline thinspace medspace thickspace enspace negthinspace boxed fbox allowbreak angle triangle");

    /// <summary>Commands that are passed over with the braces behind them.</summary>
    public static readonly FrozenSet<string> IgnoredWithBraces = Set("hspace vspace color textcolor phantom hphantom vphantom tag label");

    /// <summary>Letters of the longest among <see cref="Functions"/>, <see cref="ShortUnits"/> and <see cref="ShortWords"/>, and no fewer than those of any word that is a sign.</summary>
    public const int LongestName = 8;

    /// <summary>Units of one letter, which \text or \mathrm behind a number makes of it.</summary>
    public const string LetterUnits = "mgsLlNJWAVKCFh";

    /// <summary>Commands whose braces hold words.</summary>
    public static readonly FrozenSet<string> Text = Set("text textbf textit textrm textnormal textsf texttt mbox hbox emph mathrm mathbf mathit mathsf mathtt operatorname mathop bm boldsymbol pmb");

    /// <summary>Commands with an operator or bracket of one sign as their meaning.</summary>
    public static readonly FrozenDictionary<string, string> Commands = Map(
        "le <=  leq <=  leqslant <=  ge >=  geq >=  geqslant >=  lt <  gt >  ne !=  neq !=  cdot *  times *  ast *  div /  " +
        "pm ±  mp ∓  cup ∪  cap ∩  setminus ∖  langle (  rangle )  lbrace {  rbrace }  lbrack [  rbrack ]  lvert |  rvert |  " +
        "vert |  mid |  approx ≈  sim ≈  simeq ≈  in ∈  colon :  degree °  to →  rightarrow →  implies ⇒  Rightarrow ⇒  " +
        "lor or  land and");

    /// <summary>Unicode signs and what they stand for.</summary>
    public static readonly FrozenDictionary<string, string> Unicode = Map(
        "≤ <=  ≥ >=  ≠ !=  × *  · *  ⋅ *  ∙ *  ∗ *  ÷ /  ∕ /  ⁄ /  − -  – -  — -  ﹣ -  ＋ +  （ (  ） )  ， ,  ； ;  ： :  ［ [  " +
        "］ ]  ⟨ (  ⟩ )  ∼ ≈  ≃ ≈  ＝ =  ′ '  ’ '");

    /// <summary>Superscript digits, in the order 0-9.</summary>
    public const string Superscripts = "⁰¹²³⁴⁵⁶⁷⁸⁹";

    /// <summary>Functions of one argument, by LaTeX command or plain name.</summary>
    public static readonly FrozenSet<string> Functions = Set(
        "sin cos tan cot sec csc arcsin arccos arctan asin acos atan sinh cosh tanh ln log lg exp min max gcd lcm sqrt cbrt abs floor ceil arg Re Im");

    /// <summary>Constructions with bound variables or omitted parts: an answer that has them is compared as text.</summary>
    public static readonly FrozenSet<string> Unsupported = Set(
        "sum prod int iint oint lim limsup liminf ldots cdots dots dotsc dotsb forall exists partial bigcup bigcap implies pmod mod bmod equiv perp parallel");

    /// <summary>Greek letters and other signs keep their command as a name; these plain characters map to it.</summary>
    public static readonly FrozenDictionary<char, string> Greek = new Dictionary<char, string>
    {
        ['α'] = "alpha", ['β'] = "beta", ['γ'] = "gamma", ['δ'] = "delta", ['ε'] = "epsilon", ['θ'] = "theta", ['λ'] = "lambda", ['μ'] = "mu",
        ['π'] = "pi", ['ρ'] = "rho", ['σ'] = "sigma", ['τ'] = "tau", ['φ'] = "phi", ['ω'] = "omega", ['∞'] = "infty", ['√'] = "sqrt", ['∅'] = "emptyset",
    }.ToFrozenDictionary();

    /// <summary>Unit words of fewer than four letters; longer words after a value are dropped in any case.</summary>
    public static readonly FrozenSet<string> ShortUnits = Set("cup ton gal mm cm dm km ft yd mi in kg mg lb lbs oz ml mL cL hr hrs min sec ms mph kph rpm pct deg rad Hz kHz usd USD eur EUR sq cu pm am day");

    /// <summary>Words of fewer than four letters that are answers rather than products of variables.</summary>
    public static readonly FrozenSet<string> ShortWords = Set("no yes odd not any all the for is are of on to by if at it an one two six ten");

    /// <summary>Words of a condition or a sentence: text that has one of them is no unit.</summary>
    public static readonly FrozenSet<string> Conditions = Set("if when where for unless otherwise must is are be not except only");

    /// <summary>Words that scale the number before them.</summary>
    public static readonly FrozenDictionary<string, int> Scales = new Dictionary<string, int>
    {
        ["hundred"] = 100, ["thousand"] = 1000, ["million"] = 1_000_000, ["billion"] = 1_000_000_000, ["dozen"] = 12,
    }.ToFrozenDictionary();

    public static readonly FrozenSet<string> Matrices = Set("matrix pmatrix bmatrix Bmatrix vmatrix Vmatrix smallmatrix array");

    private static FrozenSet<string> Set(string words) => words.Split(' ', StringSplitOptions.RemoveEmptyEntries).ToFrozenSet();

    // Entries are "key value", two spaces apart.
    private static FrozenDictionary<string, string> Map(string text) =>
        text.Split("  ").Select(entry => entry.Split(' ')).ToFrozenDictionary(pair => pair[0], pair => pair[1]);
}
