using System.Text.Json;

namespace OllmNative.Training;

/// <summary>Results of rows that several processes have evaluated, each its share, brought together as the lines of results.jsonl.</summary>
public static class EvalShare
{
    /// <summary>The results of all processes, on every process.</summary>
    /// <param name="group">The processes.</param>
    /// <param name="own">Results of this one.</param>
    /// <param name="withOllm">Whether rows have the policy's, encoder's and oracle's counts.</param>
    public static IEnumerable<EvalResult> Gather(ProcessGroup group, IEnumerable<EvalResult> own, bool withOllm)
    {
        ArgumentNullException.ThrowIfNull(own);
        foreach (byte[] part in group.Gather(JsonLines.Text(own.Select(result => result.Fields(withOllm)))))
        {
            int begin = 0;
            for (int end; (end = Array.IndexOf(part, (byte)'\n', begin)) >= 0; begin = end + 1)
            {
                using JsonDocument json = JsonDocument.Parse(part.AsMemory(begin, end - begin));
                yield return EvalResult.Parse(json.RootElement);
            }
        }
    }
}
