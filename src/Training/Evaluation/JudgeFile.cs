using System.Globalization;
using System.Text.Json;
using OllmNative.Model;

namespace OllmNative.Training;

/// <summary>
/// Files for grading by a judge, in the forms of Omni-MATH (arXiv 2410.07985). What is written is the input of Omni-Judge: domain,
/// difficulty, problem, solution, answer, source, model_generation; with a template also the prompt for GPT-4o. What is read is what
/// comes back: Omni-Judge's <c>omni_judge</c>, GPT-4o's <c>gen</c> with <c>original_json</c>, or rows with <c>judgement</c>.
/// </summary>
public static class JudgeFile
{
    private const string Expected = "expected problem and model_generation, and a verdict: judgement TRUE or FALSE, or a report in omni_judge, gen or gpt4o_report";

    private const string ProblemPlace = "{{Problem}}", AnswerPlace = "{{Reference Answer}}", SolutionPlace = "{{Solution}}";

    private static readonly string[] VerdictNames = ["judgement", "correctness"], ReportNames = ["omni_judge", "gen", "gpt4o_report"];

    /// <summary>What a judge is shown as the problem: that of the row, or its prompt, or the last message.</summary>
    public static string ProblemOf(DataRow row)
    {
        ArgumentNullException.ThrowIfNull(row);
        return row.Problem ?? row.Prompt ?? row.Messages?[^1].Content ?? "";
    }

    /// <summary>Reads Omni-MATH's gpt_evaluation_template.txt.</summary>
    /// <exception cref="OllmException">It cannot be read, or has no place for the problem, the answer or the solution.</exception>
    public static string ReadTemplate(string path)
    {
        string template;
        try
        {
            SpecialFile.RefuseToReadAsInput(path);
            template = File.ReadAllText(path);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new OllmException($"{path}: cannot be read ({error.Message}); expected Omni-MATH's gpt_evaluation_template.txt", error);
        }
        foreach (string place in (string[])[ProblemPlace, AnswerPlace, SolutionPlace])
        {
            if (!template.Contains(place, StringComparison.Ordinal)) throw new OllmException($"{path}: the text has no {place}; expected Omni-MATH's gpt_evaluation_template.txt");
        }
        return template;
    }

    /// <summary>Writes one line for each different output of each problem.</summary>
    /// <param name="path">The file; it is replaced.</param>
    /// <param name="problems">Results and the rows that they belong to.</param>
    /// <param name="template">What <see cref="ReadTemplate"/> has read, or null.</param>
    /// <returns>Lines written.</returns>
    /// <exception cref="OllmException">The file cannot be written.</exception>
    public static int Export(string path, IEnumerable<(EvalResult Result, DataRow Row)> problems, string? template)
    {
        ArgumentNullException.ThrowIfNull(problems);
        int written = 0;
        DurableFiles.Write(path, stream =>
        {
            foreach ((EvalResult result, DataRow row) in problems)
            {
                var seen = new HashSet<string>();
                foreach ((string model, string text) in Outputs(result))
                {
                    if (!seen.Add(text)) continue;
                    stream.Write(JsonLines.Text([Line(result, row, model, text, template)]));
                    written++;
                }
            }
        });
        return written;
    }

    /// <summary>Reads verdicts by problem and output.</summary>
    /// <exception cref="OllmException">The file cannot be read, or a line is malformed.</exception>
    public static IReadOnlyDictionary<(string Problem, string Output), bool> Import(string path)
    {
        if (!File.Exists(path)) throw new OllmException($"{path}: no such file; expected JSON lines with a judge's verdicts");
        var verdicts = new Dictionary<(string, string), bool>();
        using var lines = new LineReader(path);
        while (lines.MoveNext())
        {
            if (lines.IsBlank) continue;
            try
            {
                using JsonDocument json = JsonDocument.Parse(lines.Text);
                (string problem, string output, bool? right) = Read(json.RootElement);
                if (right is { } verdict) verdicts[(problem, output)] = verdict;
            }
            catch (Exception error) when (error is JsonException or InvalidOperationException or KeyNotFoundException)
            {
                throw new OllmException($"{lines.Place}not a judged row; {Expected}", error);
            }
        }
        return verdicts;
    }

    /// <summary>The verdict in a judge's report: TRUE or FALSE in the section "Equivalence Judgement"; null when it has none.</summary>
    public static bool? VerdictOf(string report)
    {
        ArgumentNullException.ThrowIfNull(report);
        const string heading = "Equivalence Judgement";
        int at = report.IndexOf(heading, StringComparison.OrdinalIgnoreCase);
        if (at < 0) return null;
        string rest = report[(at + heading.Length)..].TrimStart(':', '*', '#', ' ', '\n', '\r', '\t', '[', '"');
        if (rest.StartsWith("TRUE", StringComparison.OrdinalIgnoreCase)) return true;
        return rest.StartsWith("FALSE", StringComparison.OrdinalIgnoreCase) ? false : null;
    }

    private static IEnumerable<(string Model, string Text)> Outputs(EvalResult result)
    {
        foreach ((string name, MethodAnswers? answers) in (IEnumerable<(string, MethodAnswers?)>)[("backbone", result.Backbone), ("policy", result.Policy)])
        {
            if (answers is null) continue;
            yield return (name + "_greedy", answers.Greedy);
            foreach (string sample in answers.Samples) yield return (name + "_sampled", sample);
        }
    }

    private static List<KeyValuePair<string, object?>> Line(EvalResult result, DataRow row, string model, string text, string? template)
    {
        string problem = ProblemOf(row);
        object? difficulty = row.Extra.TryGetValue("difficulty", out string? d)
            ? double.TryParse(d, NumberStyles.Float, CultureInfo.InvariantCulture, out double number) ? number : d
            : null;
        List<KeyValuePair<string, object?>> original =
        [
            new("domain", row.Extra.TryGetValue("domain", out string? domain) ? domain.Split("; ") : []), new("difficulty", difficulty), new("problem", problem),
            new("solution", row.Completion ?? ""), new("answer", result.ExpectedAnswer), new("source", row.Extra.GetValueOrDefault("source", "")), new("model_generation", text),
        ];
        var line = new List<KeyValuePair<string, object?>>(original) { new("model", model), new("row", result.Row) };
        if (template is null) return line;
        string prompt = template.Replace(ProblemPlace, problem, StringComparison.Ordinal)
            .Replace(AnswerPlace, result.ExpectedAnswer, StringComparison.Ordinal).Replace(SolutionPlace, text, StringComparison.Ordinal);
        line.AddRange([new("original_json", JsonLines.Text(original)), new("prompt", prompt)]);
        return line;
    }

    private static (string Problem, string Output, bool? Right) Read(JsonElement line)
    {
        if (!line.TryGetProperty("original_json", out JsonElement original)) return (Text(line, "problem"), Text(line, "model_generation"), Verdict(line));
        using JsonDocument inner = JsonDocument.Parse(original.GetString()!);
        return (Text(inner.RootElement, "problem"), Text(inner.RootElement, "model_generation"), Verdict(line));
    }

    private static string Text(JsonElement line, string name) => line.GetProperty(name).GetString() ?? throw new KeyNotFoundException(name);

    private static bool? Verdict(JsonElement line)
    {
        foreach (string name in VerdictNames)
        {
            if (!line.TryGetProperty(name, out JsonElement value)) continue;
            if (value.ValueKind is JsonValueKind.True or JsonValueKind.False) return value.GetBoolean();
            return value.GetString()?.Trim().ToUpperInvariant() switch { "TRUE" => true, "FALSE" => false, _ => null };
        }
        foreach (string name in ReportNames)
        {
            if (line.TryGetProperty(name, out JsonElement report)) return VerdictOf(report.GetString() ?? "");
        }
        throw new KeyNotFoundException("verdict");
    }
}
