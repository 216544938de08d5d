using System.Globalization;
using OllmNative.Model;

namespace OllmNative.Cli;

/// <summary>Token ids written as text.</summary>
internal static class TokenIds
{
    private static readonly char[] Separators = [',', ' ', '\t', '\r', '\n'];

    /// <summary>Reads ids that are separated by commas, spaces or line breaks.</summary>
    /// <param name="text">The ids; may be empty.</param>
    /// <param name="source">Where they come from, for messages.</param>
    /// <exception cref="OllmException">Something else stands between the separators.</exception>
    public static int[] Parse(string text, string source)
    {
        string[] items = text.Split(Separators, StringSplitOptions.RemoveEmptyEntries);
        var ids = new int[items.Length];
        for (int i = 0; i < items.Length; i++)
        {
            if (!int.TryParse(items[i], NumberStyles.None, CultureInfo.InvariantCulture, out ids[i]))
            {
                string shown = items[i].Length > 40 ? items[i][..40] + "…" : items[i];
                throw new OllmException($"{source}: item {i + 1} is '{shown}', expected a token id (0 or more)");
            }
        }
        return ids;
    }

    /// <summary>Checks ids against a model.</summary>
    /// <exception cref="OllmException">There is none, one is outside of the vocabulary, or there are more than the model has positions.</exception>
    public static void Check(ReadOnlySpan<int> ids, ModelConfig config, string source)
    {
        if (ids.IsEmpty) throw new OllmException($"{source}: no token ids, expected at least one");
        if (ids.Length > config.MaxPositions)
            throw new OllmException($"{source}: {ids.Length} tokens, but {config.Path} allows {config.MaxPositions} (max_position_embeddings)");
        for (int i = 0; i < ids.Length; i++)
            if ((uint)ids[i] >= (uint)config.VocabSize)
                throw new OllmException($"{source}: item {i + 1} is {ids[i]}, expected a token id below {config.VocabSize} (vocab_size of {config.Path})");
    }
}
