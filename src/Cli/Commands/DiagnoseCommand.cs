using System.CommandLine;
using System.Globalization;
using OllmNative.Model;
using OllmNative.Training;

namespace OllmNative.Cli.Commands;

/// <summary><c>ollm diagnose</c>: how open the next token is for the backbone, over a data set.</summary>
internal static class DiagnoseCommand
{
    private const int Bins = 40, ShownRows = 3, ShownTokens = 1000, ShownExtremes = 8, CellLength = 48;

    public static Command Create(Output ui)
    {
        var command = new Command("diagnose", "Entropy of the backbone's next-token distribution over the completions of a data set.");
        var model = new ModelOptions(command, withOllm: false);
        var data = new DataOptions(command, withLimit: true);
        Option<double> deterministic = CommonOptions.Number("--deterministic", "Positions below this entropy, in nats, count as deterministic, the others as ambiguous.", 0.1, 0.0, 100.0);
        Option<string?> output = CommonOptions.OptionalPath("--out", "A folder for report.html and diagnosis.json; without it nothing is written.", "DIR");
        command.Add(deterministic);
        command.Add(output);

        command.SetAction(parsed =>
        {
            if (parsed.GetValue(output) is { } given) Files.PrepareFolder("--out", given);
            using ModelSession session = model.Open(parsed);
            DataSource source = data.Open(parsed, session, ui);
            using TokenRowStore rows = source.ReadTokenRows();
            if (rows.Count == 0) throw new OllmException($"{source.Path}: no row has a target, expected completions after the prompts (see --max-length)");
            IReadOnlyList<PositionEntropy> positions = Measure(session, rows, ui);
            double limit = parsed.GetValue(deterministic);
            var report = new Report(new EntropySummary(positions, rows, source.HasTokenizer ? source.Tokenizer : null, limit), positions, rows, source, limit);
            object result = report.Json(parsed.GetValue(output));
            if (parsed.GetValue(output) is { } folder)
            {
                report.Save(Path.Combine(folder, "report.html"), parsed);
                DurableFiles.WriteText(Path.Combine(folder, "diagnosis.json"), JsonOutput.Serialize(result) + "\n");
            }
            report.Print(ui, parsed.GetValue(output));
            ui.Result(result);
        });
        return command;
    }

    private static IReadOnlyList<PositionEntropy> Measure(ModelSession session, TokenRowStore rows, Output ui)
    {
        using var diagnosis = new EntropyDiagnosis(session.Backbone, rows.Longest);
        using Progress bar = ui.Progress("diagnose", rows.Count);
        return diagnosis.Measure(rows, done => bar.Report(done), ui.Cancellation);
    }

    /// <summary>The summary as tables, as JSON and as a page.</summary>
    private sealed class Report(EntropySummary summary, IReadOnlyList<PositionEntropy> positions, TokenRowStore rows, DataSource source, double limit)
    {
        private readonly string _below = limit.ToString(CultureInfo.InvariantCulture);

        public void Print(Output ui, string? folder)
        {
            ui.Table(["figure", "value"], Figures(), 1);
            int widest = summary.Histogram.Max();
            ui.Table(["nats", "positions", ""], summary.Histogram.Select((count, bin) => new[]
            {
                FormattableString.Invariant($"{bin * EntropySummary.BinWidth:F1}"), Format.Grouped(count), new string('#', (int)Math.Ceiling(40.0 * count / widest)),
            }), 0, 1);
            if (summary.BySentencePlace.Count > 0)
            {
                ui.Table(["place in the sentence", "positions", "mean entropy", "ambiguous"], PlaceRows(), 0, 1, 2, 3);
                ui.Table(["least certain", "nats", "in context", "likeliest instead"], ContextRows(summary.LeastCertain.Take(ShownExtremes), CellLength), 1);
                ui.Table(["most certain", "nats", "in context", "likeliest"], ContextRows(summary.MostCertain.Take(ShownExtremes), CellLength), 1);
            }
            if (folder is not null) ui.Line($"report.html and diagnosis.json are in {folder}");
        }

        public object Json(string? folder) => new
        {
            rows = rows.Count + rows.WithoutTargets,
            skipped_rows = source.Skipped,
            positions = summary.Positions,
            mean_entropy = summary.MeanEntropy,
            deterministic_below = limit,
            deterministic = summary.Deterministic,
            ambiguous = summary.Ambiguous,
            top2_mass = summary.TopTwo,
            top2_mass_ambiguous = summary.TopTwoAmbiguous,
            histogram = new { bin_width = EntropySummary.BinWidth, counts = summary.Histogram },
            by_sentence_place = summary.BySentencePlace.Select(place => new { place = place.Place, positions = place.Positions, mean_entropy = place.MeanEntropy, ambiguous = place.Ambiguous }),
            least_certain = summary.LeastCertain.Select(Context),
            most_certain = summary.MostCertain.Select(Context),
            @out = folder,
        };

        public void Save(string path, ParseResult parsed)
        {
            var page = new ReportPage("How open the next token is");
            page.AddTable(["figure", "value"], Figures());
            page.AddHistogram("Entropy of the next token", "nats", Values(all: true, position => position.Entropy), Bins);
            page.AddHistogram($"The same without positions below {_below} nats", "nats", Values(all: false, position => position.Entropy), Bins);
            page.AddHistogram("Probability of the two likeliest tokens at ambiguous positions", "probability", Values(all: false, position => position.TopTwo), Bins);
            if (summary.BySentencePlace.Count > 0) AddTexts(page);
            page.AddHeading("Options");
            page.AddKeyValues(RunSettings.Of(parsed));
            page.Save(path);
        }

        private void AddTexts(ReportPage page)
        {
            page.AddHeading("Where in the sentence");
            page.AddText("A sentence ends with a line break, or with a full stop, question or exclamation mark before white space. The last place takes all places that follow.");
            page.AddLineChart("Entropy by place in the sentence", "tokens since the sentence began", "nats",
                [new ChartSeries("mean entropy", [.. summary.BySentencePlace.Select(place => ((double)place.Place, place.MeanEntropy))])]);
            page.AddLineChart("Ambiguous positions by place in the sentence", "tokens since the sentence began", "share",
                [new ChartSeries("ambiguous", [.. summary.BySentencePlace.Select(place => ((double)place.Place, place.Ambiguous))])]);
            page.AddHeading("Tokens in context");
            page.AddTable(["least certain", "nats", "in context", "likeliest instead"], ContextRows(summary.LeastCertain, int.MaxValue));
            page.AddTable(["most certain", "nats", "in context", "likeliest"], ContextRows(summary.MostCertain, int.MaxValue));
            page.AddHeading("Texts");
            foreach (IGrouping<int, PositionEntropy> row in positions.TakeWhile(position => position.Row < ShownRows).GroupBy(position => position.Row))
                page.AddTokenStrip($"Row {row.Key + 1}", "The darker a token, the higher the entropy of the distribution that it was to be drawn from; ln 10 = 2.3 nats is full.", Strip(row));
        }

        private List<MarkedToken> Strip(IEnumerable<PositionEntropy> row) =>
        [
            .. row.Take(ShownTokens).Select(position => new MarkedToken(
                Known(rows[position.Row].Tokens[position.Index]) is int token ? source.Tokenizer.Decode([token]) : "", position.Entropy / Math.Log(10),
                FormattableString.Invariant($"{position.Entropy:F3} nats; likeliest {Shown(position.Likeliest)} {position.LikeliestProbability:P0}, then {Shown(position.Second)} {position.SecondProbability:P0}"))),
        ];

        private double[] Values(bool all, Func<PositionEntropy, float> of) => [.. positions.Where(position => all || position.Entropy >= limit).Select(position => (double)of(position))];

        private IEnumerable<string[]> Figures()
        {
            yield return ["positions", Format.Grouped(summary.Positions)];
            yield return ["mean entropy, nats", summary.MeanEntropy.ToString("F4", CultureInfo.InvariantCulture)];
            yield return [$"deterministic (below {_below} nats)", Format.Percent(summary.Deterministic)];
            yield return ["ambiguous (the others)", Format.Percent(summary.Ambiguous)];
            yield return ["top-2 mass, all positions", Format.Percent(summary.TopTwo)];
            yield return ["top-2 mass, ambiguous positions", double.IsNaN(summary.TopTwoAmbiguous) ? "-" : Format.Percent(summary.TopTwoAmbiguous)];
        }

        private IEnumerable<string[]> PlaceRows() => summary.BySentencePlace.Select(place => new[]
        {
            $"{place.Place}", Format.Grouped(place.Positions), place.MeanEntropy.ToString("F3", CultureInfo.InvariantCulture), Format.Percent(place.Ambiguous),
        });

        private IEnumerable<string[]> ContextRows(IEnumerable<PositionInContext> found, int length) => found.Select(one => new[]
        {
            Shown(one.Token), one.Position.Entropy.ToString("F3", CultureInfo.InvariantCulture),
            OneLine($"{(one.Before.Length > length ? "…" + one.Before[^length..] : one.Before)}[{source.Tokenizer.TokenText(one.Token)}]{one.After}"),
            FormattableString.Invariant($"{Shown(one.Position.Likeliest)} {100 * one.Position.LikeliestProbability:F0} %, {Shown(one.Position.Second)} {100 * one.Position.SecondProbability:F0} %"),
        });

        private object Context(PositionInContext one) => new
        {
            row = one.Position.Row + 1,
            line = rows[one.Position.Row].Line,
            position = one.Position.Index,
            token = one.Token,
            text = Shown(one.Token),
            before = one.Before,
            after = one.After,
            entropy = one.Position.Entropy,
            likeliest = new { token = one.Position.Likeliest, text = Shown(one.Position.Likeliest), probability = one.Position.LikeliestProbability },
            second = new { token = one.Position.Second, text = Shown(one.Position.Second), probability = one.Position.SecondProbability },
        };

        private static string OneLine(string text) => Output.Shown(text.Replace("\n", "↵", StringComparison.Ordinal));

        private int? Known(int token) => token < source.Tokenizer.VocabularySize ? token : null;

        private string Shown(int token) => Known(token) is { } known ? source.Tokenizer.TokenText(known) : $"#{token}";
    }
}
