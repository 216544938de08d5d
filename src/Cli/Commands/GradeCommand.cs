using System.CommandLine;
using OllmNative.Model;
using OllmNative.Training;

namespace OllmNative.Cli.Commands;

/// <summary><c>ollm grade</c>: final answers against right ones.</summary>
internal static class GradeCommand
{
    // Longer cells would break the table; --out and --json have them whole.
    private const int MaxCell = 40, MaxRows = 50;

    private sealed record Grade(int Line, string? Answer, string? Gold, bool Equivalent);

    public static Command Create(Output ui)
    {
        Option<string> data = CommonOptions.Path("--data", "JSON lines with prediction and gold; .gz is read too.");
        Option<string?> output = CommonOptions.OptionalPath("--out", "A file for one JSON line per row.");
        var skip = new Option<bool>("--skip-bad-rows") { Description = "Count and pass over bad rows instead of stopping at the first one." };
        var command = new Command("grade", "Grade predictions: the answer found in each, and whether it equals the right one.") { data, output, skip };
        command.SetAction(parsed =>
        {
            string path = parsed.GetValue(data)!;
            int skipped = 0;
            Action<string>? onBadRow = parsed.GetValue(skip) ? message => { skipped++; ui.Log($"skipped: {Output.Shown(message)}"); } : null;
            var grades = new List<Grade>();
            foreach (GradeRow row in GradeRow.Read(path, onBadRow))
            {
                ui.Cancellation.ThrowIfCancellationRequested();
                grades.Add(new Grade(row.Line, AnswerExtractor.Extract(row.Prediction), AnswerExtractor.Extract(row.Gold), AnswerChecker.Equivalent(row.Prediction, row.Gold)));
            }
            if (grades.Count == 0) throw new OllmException($"{path}: no usable row, expected at least one");
            if (parsed.GetValue(output) is { } file) Write(file, grades);
            Print(grades, skipped, ui);
        });
        return command;
    }

    private static void Write(string file, List<Grade> grades)
    {
        Files.PrepareFile("--out", file);
        File.Delete(file);
        using var lines = new JsonLines(file);
        foreach (Grade grade in grades) lines.Write(("line", grade.Line), ("answer", grade.Answer), ("gold", grade.Gold), ("equivalent", grade.Equivalent));
    }

    private static void Print(List<Grade> grades, int skipped, Output ui)
    {
        int right = grades.Count(grade => grade.Equivalent), none = grades.Count(grade => grade.Answer is null);
        ui.Table(
            ["line", "answer", "gold", "equivalent"],
            grades.Take(MaxRows).Select(grade => new[] { $"{grade.Line}", Cell(grade.Answer), Cell(grade.Gold), grade.Equivalent ? "yes" : "no" }), 0);
        if (grades.Count > MaxRows) ui.Line($"... and {grades.Count - MaxRows} more rows (--out FILE writes all)");
        ui.Line($"{right} of {grades.Count} right ({Format.Percent((double)right / grades.Count)}), {none} without an answer");
        ui.Result(new
        {
            rows = grades.Count,
            right,
            accuracy = (double)right / grades.Count,
            no_answer = none,
            skipped_rows = skipped,
            grades = grades.Select(grade => new { line = grade.Line, answer = grade.Answer, gold = grade.Gold, equivalent = grade.Equivalent }),
        });
    }

    private static string Cell(string? answer) => answer is null ? "-" : answer.Length > MaxCell ? answer[..MaxCell] + "…" : answer;
}
