using System.Diagnostics;
using OllmNative.Runtime.Language;

namespace OllmNative.Tests.Samples;

/// <summary>C#'s statements, calls and expressions.</summary>
internal static class FlowSamples
{
    private static int[] Run(Accelerator accelerator, Action<Index1D, ArrayView<int>> method, int length)
    {
        var kernel = accelerator.LoadAutoGroupedStreamKernel(method);
        using var buffer = accelerator.Allocate1D(Enumerable.Range(0, length).ToArray());
        kernel(length, buffer.View);
        return buffer.GetAsArray1D();
    }

    private static int Named(int x) => x switch
    {
        0 => 7,
        1 or 2 => 8,
        3 => 9,
        < 6 => -x,
        _ when x % 2 == 0 => x * x,
        _ => 1,
    };

    private static void Switches(Index1D i, ArrayView<int> view)
    {
        int x = view[i];
        switch (x % 5)
        {
            case 0:
                view[i] = 100;
                break;
            case 1:
            case 2:
                view[i] = 200 + x;
                goto case 3;
            case 3:
                view[i] += 1000;
                break;
            default:
                view[i] = Named(x);
                break;
        }
    }

    public static void Switch_StatementsAndExpressions(Accelerator accelerator)
    {
        int[] expected = [.. Enumerable.Range(0, 20).Select(x => (x % 5) switch { 0 => 100, 1 or 2 => 1200 + x, 3 => x + 1000, _ => Named(x) })];
        Assert.Equal(expected, Run(accelerator, Switches, 20));
    }

    private static void Loops(Index1D i, ArrayView<int> view)
    {
        int n = view[i] + 1, steps = 0;
        do
        {
            n = n % 2 == 0 ? n / 2 : 3 * n + 1;
            steps++;
        }
        while (n != 1);
        for (int a = 0; ; a++)
        {
            if (a == 3) continue;
            if (a > 7) break;
            for (int b = a; b > 0; b -= 2)
            {
                if (b == 4) goto next;
                steps += b;
            }
        next:
            steps ^= a;
        }
        view[i] = steps;
    }

    public static void Loops_BreakContinueGoto(Accelerator accelerator)
    {
        int[] expected = new int[30];
        for (int i = 0; i < expected.Length; i++)
        {
            int n = i + 1, steps = 0;
            do
            {
                n = n % 2 == 0 ? n / 2 : 3 * n + 1;
                steps++;
            }
            while (n != 1);
            foreach (int a in new[] { 0, 1, 2, 4, 5, 6, 7 })
            {
                for (int b = a; b > 0 && b != 4; b -= 2) steps += b;
                steps ^= a;
            }
            expected[i] = steps;
        }
        Assert.Equal(expected, Run(accelerator, Loops, expected.Length));
    }

    private static void Split(int value, out int low, out int high)
    {
        low = value & 15;
        high = value >> 4;
    }

    private static void Bump(ref int value, in int by) => value += by;

    private static void References(Index1D i, ArrayView<int> view)
    {
        Split(view[i], out int low, out int high);
        Bump(ref low, high);
        Bump(ref view[i], low);
        ref int cell = ref view[i];
        cell = -cell;
    }

    public static void Parameters_RefOutIn(Accelerator accelerator) =>
        Assert.Equal(Enumerable.Range(0, 40).Select(x => -(x + (x & 15) + (x >> 4))), Run(accelerator, References, 40));

    private static (int Quotient, int Remainder) Divide(int a, int b) => (a / b, a % b);

    private static void Tuples(Index1D i, ArrayView<int> view)
    {
        (int quotient, int remainder) = Divide(view[i], 7);
        (quotient, remainder) = (remainder, quotient);
        var both = (quotient, remainder, Sum: quotient + remainder);
        view[i] = both.quotient * 100 + both.remainder * 10 + both.Sum;
    }

    public static void Tuples_ReturnedAndSwapped(Accelerator accelerator) =>
        Assert.Equal(Enumerable.Range(0, 50).Select(x => x % 7 * 100 + x / 7 * 10 + x % 7 + x / 7), Run(accelerator, Tuples, 50));

    private static void LocalFunctions(Index1D i, ArrayView<int> view)
    {
        int offset = view[i];
        view[i] = Twice(Shifted(3));

        int Shifted(int by) => offset + by;
        static int Twice(int x) => 2 * x;
    }

    public static void LocalFunctions_WithAndWithoutCaptures(Accelerator accelerator) =>
        Assert.Equal(Enumerable.Range(0, 8).Select(x => 2 * (x + 3)), Run(accelerator, LocalFunctions, 8));

    private static void Arrays(Index1D i, ArrayView<int> view)
    {
        int[] digits = new int[8];
        int value = view[i] * 37, count = 0;
        for (; value > 0; value /= 10) digits[count++] = value % 10;
        int result = 0;
        foreach (int digit in digits) result = result * 2 + digit;
        var table = LocalMemory.Allocate<int>(4);
        for (int k = 0; k < table.IntLength; k++) table[k] = k * k;
        view[i] = result + table[i.X % 4] + digits.Length;
    }

    public static void LocalArrays_AndLocalMemory(Accelerator accelerator)
    {
        int[] expected = [.. Enumerable.Range(0, 30).Select(x =>
        {
            int result = 0;
            string digits = x == 0 ? "" : new([.. $"{x * 37}".Reverse()]);
            foreach (char digit in digits.PadRight(8, '0')) result = result * 2 + digit - '0';
            return result + x % 4 * (x % 4) + 8;
        })];
        Assert.Equal(expected, Run(accelerator, Arrays, 30));
    }

    private static void Short(Index1D i, ArrayView<int> view)
    {
        bool small = i < 5, even = (view[i] & 1) == 0;
        view[i] = small && !even ? 1 : small || even ? 2 : small ^ even ? 3 : 4;
        view[i] += i.X is > 2 and < 8 ? 10 : 0;
        if (i > 20) return;
        view[i] <<= 1;
    }

    public static void Conditions_AndEarlyReturn(Accelerator accelerator) => Assert.Equal(
        Enumerable.Range(0, 25).Select(x => ((x < 5 && x % 2 == 1 ? 1 : x < 5 || x % 2 == 0 ? 2 : 4) + (x is > 2 and < 8 ? 10 : 0)) << (x > 20 ? 0 : 1)), Run(accelerator, Short, 25));

    private static void Checks(Index1D i, ArrayView<int> view)
    {
        Debug.Assert(view[i] >= 0, "never negative");
        Trace.Assert(i < view.Length, "inside");
        if (view[i] == int.MaxValue) Interop.WriteLine("thread {0} saw {1}", i.X, view[i]);
        view[i]++;
    }

    public static void AssertsAndPrints_ChangeNothing(Accelerator accelerator) => Assert.Equal(Enumerable.Range(1, 6), Run(accelerator, Checks, 6));

    private static void Compound(Index1D i, ArrayView<int> view)
    {
        int x = view[i];
        x += 3;
        x *= x;
        x -= i++;
        x %= 1000;
        x |= 1;
        x ^= x >>> 3;
        int y = x-- + --x;
        int? maybe = y > 100 ? y : null;
        view[i - 1] = maybe ?? (maybe.HasValue ? 0 : -x);
    }

    public static void Operators_CompoundAndNullable(Accelerator accelerator) => Assert.Equal(
        Enumerable.Range(0, 30).Select(i =>
        {
            int x = (((i + 3) * (i + 3) - i) % 1000) | 1;
            x ^= x >>> 3;
            int y = x + x - 2;
            return y > 100 ? y : 2 - x;
        }), Run(accelerator, Compound, 30));
}
