using System.Text.Json;
using OllmNative.Model;

namespace OllmNative.Training;

/// <summary>A prediction to grade against the right answer.</summary>
/// <param name="Line">Line in its file, from 1.</param>
/// <param name="Prediction">An answer or a text that ends with one; null or empty has none.</param>
/// <param name="Gold">The right answer, or a text that ends with it.</param>
public sealed record GradeRow(int Line, string? Prediction, string Gold)
{
    /// <summary>Streams the rows of a .jsonl or .jsonl.gz file: objects with prediction and gold, strings or numbers.</summary>
    /// <param name="path">The file.</param>
    /// <param name="onBadRow">Called with the message for each bad row, which is passed over; null throws instead.</param>
    /// <exception cref="OllmException">The file cannot be read, or a row is bad: "FILE:LINE: what is wrong; what was expected".</exception>
    public static IEnumerable<GradeRow> Read(string path, Action<string>? onBadRow = null)
    {
        if (!File.Exists(path)) throw new OllmException($"{path}: no such file; expected JSON lines with prediction and gold");
        using var lines = new LineReader(path);
        while (lines.MoveNext())
        {
            if (lines.IsBlank) continue;
            (GradeRow? row, string problem) = Parse(lines);
            if (row is not null) yield return row;
            else if (onBadRow is not null) onBadRow(lines.Place + problem);
            else throw new OllmException(lines.Place + problem);
        }
    }

    private static (GradeRow? Row, string Problem) Parse(LineReader lines)
    {
        const string expected = "expected an object with prediction and gold, strings or numbers";
        if (lines.IsTooLong) return (null, "the line is too long; " + expected);
        try
        {
            using JsonDocument json = JsonDocument.Parse(lines.Text);
            if (json.RootElement.ValueKind != JsonValueKind.Object) return (null, "the line is no object; " + expected);
            foreach (string name in (string[])["prediction", "gold"])
            {
                bool known = json.RootElement.TryGetProperty(name, out JsonElement value);
                bool missing = value.ValueKind == JsonValueKind.Null && name == "gold";
                if (!known || missing || value.ValueKind is not (JsonValueKind.String or JsonValueKind.Number or JsonValueKind.Null))
                    return (null, $"{name} {(known ? "is neither a string nor a number" : "is missing")}; {expected}");
            }
            return (new GradeRow(lines.Line, Text(json.RootElement.GetProperty("prediction")), Text(json.RootElement.GetProperty("gold"))!), "");
        }
        catch (JsonException error)
        {
            return (null, $"malformed JSON at byte {error.BytePositionInLine}; {expected}");
        }
        catch (InvalidOperationException)
        {
            // System.Text.Json reports broken UTF-8 and lone surrogates in this way, when the string is taken out.
            return (null, "a string is not valid Unicode; " + expected);
        }
    }

    private static string? Text(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Null => null,
        JsonValueKind.Number => value.GetRawText(),
        _ => value.GetString(),
    };
}
