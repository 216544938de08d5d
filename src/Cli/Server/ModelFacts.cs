using System.Text.Json;
using OllmNative.Model;

namespace OllmNative.Cli.Server;

/// <summary>What the server says about its model.</summary>
internal static class ModelFacts
{
    // The page draws curves; a run of millions of steps is thinned out before it gets there.
    private const int MostRows = 5000;

    /// <summary>/v1/models.</summary>
    public static object List(ServedModel model) => new { @object = "list", data = new[] { Entry(model) } };

    /// <summary>/v1/models/NAME.</summary>
    public static object Entry(ServedModel model) => new { id = model.Name, @object = "model", created = model.Created, owned_by = "ollm" };

    /// <summary>/ollm/info.</summary>
    public static object Info(ServedModel model, ServerSettings settings) => new
    {
        model = model.Name,
        options = model.Options,
        latent_width = model.Session.Ollm?.Shape.LatentWidth,
        vocab_size = model.Session.Config.VocabSize,
        context = settings.Context,
        chat_format = model.Format.Name,
        backbone_parameters = model.Session.Backbone.ParameterCount,
        trained_tokens = model.Session.Ollm?.TrainedTokens,
        device = model.Session.Device.Description,
    };

    /// <summary>/ollm/metrics: the rows of the OLLM folder's metrics.jsonl, evenly thinned out when there are very many.</summary>
    public static IReadOnlyList<JsonElement> TrainingMetrics(ServedModel model)
    {
        string? path = model.OllmFolder is null ? null : Path.Combine(model.OllmFolder, MetricsLog.FileName);
        if (!File.Exists(path)) return [];
        var lines = new List<string>();
        // A training run may be writing the file: its last line may be incomplete.
        using (var reader = new StreamReader(new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete)))
            while (reader.ReadLine() is { } line) lines.Add(line);
        int stride = (lines.Count + MostRows - 1) / MostRows;
        var rows = new List<JsonElement>();
        for (int i = 0; i < lines.Count; i++)
        {
            if ((i % stride == 0 || i == lines.Count - 1) && Parse(lines[i]) is { } row) rows.Add(row);
        }
        return rows;
    }

    private static JsonElement? Parse(string line)
    {
        try
        {
            using JsonDocument json = JsonDocument.Parse(line);
            return json.RootElement.Clone();
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
