using System.CommandLine;
using System.Text.Json;
using OllmNative.Model;
using OllmNative.Training;

namespace OllmNative.Cli.Commands;

/// <summary><c>ollm data</c>: makes data sets. <c>ollm data tiny</c> writes rows of the tiny world.</summary>
internal static class DataCommand
{
    public static Command Create() => new("data", "Make data sets.") { CreateTiny() };

    private static Command CreateTiny()
    {
        var rows = new Option<int>("--rows") { Description = "Number of rows.", Required = true };
        var seed = new Option<ulong>("--seed") { Description = "Names the data set: the same seed gives the same rows.", DefaultValueFactory = _ => 0 };
        var output = new Option<string>("--out") { Description = "The JSONL file to write.", Required = true };
        var split = new Option<string>("--split") { Description = "Which problems to draw from; the two share none.", DefaultValueFactory = _ => "train" };
        var distinct = new Option<bool>("--distinct") { Description = "No problem twice (300 rows at most of the held-out problems)." };
        var json = new Option<bool>("--json") { Description = "Print one JSON object as the last line." };
        split.AcceptOnlyFromAmong("train", "heldout");

        var command = new Command("tiny", "Rows of the tiny world: arithmetic problems with worked solutions by two strategies.")
        {
            rows, seed, output, split, distinct, json,
        };
        command.SetAction(parsed =>
        {
            TinySplit problems = parsed.GetValue(split) == "heldout" ? TinySplit.HeldOut : TinySplit.Train;
            string path = parsed.GetValue(output)!;
            (int written, int conflicts) = Write(path, parsed.GetValue(rows), parsed.GetValue(seed), problems, parsed.GetValue(distinct));
            Console.Error.WriteLine($"{written} rows ({conflicts} of them conflict rows) written to {path}");
            if (parsed.GetValue(json))
            {
                Console.WriteLine(JsonSerializer.Serialize(new { rows = written, conflict_rows = conflicts, @out = path }));
            }

            return 0;
        });
        return command;
    }

    private static (int Written, int Conflicts) Write(string path, int rows, ulong seed, TinySplit split, bool distinct)
    {
        if (rows < 1)
        {
            throw new OllmException($"--rows is {rows}; expected 1 or more");
        }

        int conflicts = 0;
        IEnumerable<TinyRow> data = TinyWorld.Generate(rows, seed, split, distinct).Select(row =>
        {
            conflicts += row.Conflict ? 1 : 0;
            return row;
        });
        try
        {
            if (Path.GetDirectoryName(Path.GetFullPath(path)) is { } folder)
            {
                Directory.CreateDirectory(folder);
            }

            using var file = new FileStream(path, FileMode.Create, FileAccess.Write, FileShare.Read, 1 << 16);
            return (TinyWorld.WriteJsonl(file, data), conflicts);
        }
        catch (InvalidOperationException error) when (distinct)
        {
            throw new OllmException($"--distinct with --rows {rows}: {error.Message}; expected fewer rows", error);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new OllmException($"cannot write {path}: {error.Message}", error);
        }
    }
}
