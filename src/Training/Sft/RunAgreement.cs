using System.Globalization;
using OllmNative.Model;

namespace OllmNative.Training;

/// <summary>
/// What must agree between a run and its continuation, as one line of <c>name=value</c> pairs that a checkpoint keeps. All that
/// the numbers of a step follow from is in it. What may change: --steps and --epochs (a cosine schedule then spans the new length
/// from the next step on), how a step's rows are split into --batch-size and --grad-accum, --checkpoint-every, --threads, and where files lie.
/// </summary>
internal static class RunAgreement
{
    private const string Separator = "; ";

    /// <summary>The line of a run.</summary>
    public static string Of(QwenBackbone backbone, OllmShape shape, IReadOnlyList<TokenRow> rows, TrainOptions options)
    {
        var pairs = new List<(string Name, object Value)>
        {
            ("--options", shape.Options), ("--latent-width", shape.LatentWidth), ("backbone", backbone.Fingerprint[..16]),
            ("data", Convert.ToHexStringLower(RowsIdentity.Of(rows))[..16]), ("hidden states", options.RoundsHidden ? "bf16" : "f32"),
            ("--latent", options.Latent), ("rows per step", options.RowsPerStep), ("--seed", options.Seed), ("--no-shuffle", !options.Shuffle),
            ("--lr", options.LearningRate), ("--warmup", options.Warmup), ("--schedule", options.Schedule),
            ("--weight-decay", options.WeightDecay), ("--clip", options.Clip),
            ("--kl-target", options.KlTarget), ("--kl-adapt", options.KlAdapt), ("--beta", options.Beta),
        };
        return Join(pairs);
    }

    /// <summary>Pairs as one line.</summary>
    public static string Join(IEnumerable<(string Name, object Value)> pairs) =>
        string.Join(Separator, pairs.Select(pair => string.Create(CultureInfo.InvariantCulture, $"{pair.Name}={pair.Value}")));

    /// <summary>Compares a checkpoint's line with that of the run that wants to go on from it.</summary>
    /// <exception cref="OllmException">They differ; the message names every difference.</exception>
    public static void Require(string checkpoint, string written, string now)
    {
        if (written == now) return;
        Dictionary<string, string> before = Parse(written);
        string[] differences =
        [
            .. Parse(now).Where(pair => before.GetValueOrDefault(pair.Key) != pair.Value)
                .Select(pair => $"{pair.Key} was {before.GetValueOrDefault(pair.Key, "not recorded")} and is {pair.Value}"),
            .. before.Keys.Except(Parse(now).Keys).Select(name => $"{name} was {before[name]}"),
        ];
        throw new OllmException(
            $"{checkpoint}: written by a run with other settings: {string.Join(", ", differences)}. Give the same options, or another --out");
    }

    private static Dictionary<string, string> Parse(string line) => line.Split(Separator)
        .Select(pair => pair.Split('=', 2)).ToDictionary(pair => pair[0], pair => pair.Length > 1 ? pair[1] : "", StringComparer.Ordinal);
}
