using System.Text.Json;

namespace OllmNative.Training;

/// <summary>Results of rows that several processes have evaluated, each its share, brought together as the lines of results.jsonl.</summary>
public static class EvalShare
{
    /// <summary>The results of all processes, on the first one; nothing on the others.</summary>
    /// <param name="group">The processes.</param>
    /// <param name="own">Results of this one.</param>
    /// <param name="withOllm">Whether rows have the policy's, encoder's and oracle's counts.</param>
    public static IReadOnlyList<EvalResult> GatherFirst(ProcessGroup group, IEnumerable<EvalResult> own, bool withOllm)
    {
        ArgumentNullException.ThrowIfNull(own);
        var results = new List<EvalResult>();
        foreach (byte[] part in group.GatherFirst(JsonLines.Text(own.Select(result => result.Fields(withOllm)))))
        {
            int begin = 0;
            for (int end; (end = Array.IndexOf(part, (byte)'\n', begin)) >= 0; begin = end + 1)
            {
                using JsonDocument json = JsonDocument.Parse(part.AsMemory(begin, end - begin));
                results.Add(EvalResult.Parse(json.RootElement));
            }
        }
        return results;
    }
}
