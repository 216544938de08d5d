using System.CommandLine;
using OllmNative.Model;
using OllmNative.Training;

namespace OllmNative.Cli.Commands;

/// <summary><c>ollm data</c>: makes data sets. <c>ollm data tiny</c> writes rows of the tiny world.</summary>
internal static class DataCommand
{
    public static Command Create(Output ui) => new("data", "Make data sets.") { CreateTiny(ui) };

    private static Command CreateTiny(Output ui)
    {
        Option<int> rows = CommonOptions.Number<int>("--rows", "Number of rows.", null, 1, int.MaxValue);
        Option<ulong> seed = CommonOptions.Seed("Names the data set: the same seed gives the same rows.");
        Option<string> output = CommonOptions.Path("--out", "The JSONL file to write.");
        Option<string> split = CommonOptions.Choice("--split", "Which problems to draw from; the two share none.", "train", "train", "heldout");
        var distinct = new Option<bool>("--distinct") { Description = "No problem twice (300 rows at most of the held-out problems)." };

        var command = new Command("tiny", "Rows of the tiny world: arithmetic problems with worked solutions by two strategies.")
        {
            rows, seed, output, split, distinct,
        };
        command.SetAction(parsed =>
        {
            TinySplit problems = parsed.GetValue(split) == "heldout" ? TinySplit.HeldOut : TinySplit.Train;
            string path = parsed.GetValue(output)!;
            (int written, int conflicts) = Write(path, parsed.GetValue(rows), parsed.GetValue(seed), problems, parsed.GetValue(distinct), ui);
            ui.Log($"{written} rows ({conflicts} of them conflict rows) written to {path}");
            ui.Result(new { rows = written, conflict_rows = conflicts, @out = path });
        });
        return command;
    }

    private static (int Written, int Conflicts) Write(string path, int rows, ulong seed, TinySplit split, bool distinct, Output ui)
    {
        int conflicts = 0;
        IEnumerable<TinyRow> data = TinyWorld.Generate(rows, seed, split, distinct).Select(row =>
        {
            ui.Cancellation.ThrowIfCancellationRequested();
            conflicts += row.Conflict ? 1 : 0;
            return row;
        });
        Files.PrepareFile("--out", path);
        try
        {
            int written = 0;
            DurableFiles.Write(path, file => written = TinyWorld.WriteJsonl(file, data));
            return (written, conflicts);
        }
        catch (InvalidOperationException error) when (distinct)
        {
            throw new OllmException($"--distinct with --rows {rows}: {error.Message}; expected fewer rows", error);
        }
    }
}
