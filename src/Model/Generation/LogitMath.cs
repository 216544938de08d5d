namespace OllmNative.Model;

/// <summary>Small sums over one row of logits, in double precision.</summary>
internal static class LogitMath
{
    /// <summary>Position of the largest; the first one among equals.</summary>
    public static int IndexOfMax(ReadOnlySpan<float> values)
    {
        int best = 0;
        for (int i = 1; i < values.Length; i++)
        {
            if (values[i] > values[best]) best = i;
        }
        return best;
    }

    /// <summary>log sum exp.</summary>
    public static double LogSumExp(ReadOnlySpan<float> logits)
    {
        double max = logits[IndexOfMax(logits)], sum = 0;
        foreach (float logit in logits) sum += Math.Exp(logit - max);
        return max + Math.Log(sum);
    }

    /// <summary>Entropy of softmax(logits) in nats.</summary>
    public static float Entropy(ReadOnlySpan<float> logits) => Summary(logits, logits[IndexOfMax(logits)]).Entropy;

    /// <summary>log sum exp and the entropy of softmax(logits) in nats, of logits whose largest is known.</summary>
    public static (double LogSumExp, float Entropy) Summary(ReadOnlySpan<float> logits, double max)
    {
        double sum = 0, weighted = 0;
        foreach (float logit in logits)
        {
            double weight = Math.Exp(logit - max);
            sum += weight;
            weighted += weight * (logit - max);
        }
        double log = Math.Log(sum);
        return (max + log, (float)Math.Max(0, log - weighted / sum));
    }

    /// <summary>The largest entries, largest first; the first ones among equals.</summary>
    public static List<(int Index, float Value)> Top(ReadOnlySpan<float> values, int count)
    {
        var top = new List<(int Index, float Value)>(count + 1);
        for (int i = 0; i < values.Length && count > 0; i++)
        {
            if (top.Count == count && values[i] <= top[^1].Value) continue;
            int at = top.Count;
            while (at > 0 && top[at - 1].Value < values[i]) at--;
            top.Insert(at, (i, values[i]));
            if (top.Count > count) top.RemoveAt(count);
        }
        return top;
    }
}
