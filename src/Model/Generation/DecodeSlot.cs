namespace OllmNative.Model;

/// <summary>Rows of the cache for one sequence.</summary>
/// <param name="firstRow">Where they begin.</param>
/// <param name="rows">How many there are.</param>
internal sealed class DecodeSlot(int firstRow, int rows)
{
    /// <summary>First cache row.</summary>
    public int FirstRow { get; } = firstRow;

    /// <summary>Tokens whose keys and values the rows hold.</summary>
    public List<int> Cached { get; } = new(rows);

    /// <summary>The sequence that runs here; null when the slot is free.</summary>
    public GenerationRequest? Owner { get; set; }

    /// <summary>The token that this step has picked.</summary>
    public int Picked { get; set; }

    /// <summary>The sequence ends with this step.</summary>
    public bool Done { get; set; }

    /// <summary>When the slot became free.</summary>
    public long LastUse { get; set; }

    /// <summary>Prompt tokens to read before the first token can be generated, but for the last one, which can also be a decoding step.</summary>
    public int Unread => Owner is null ? 0 : Math.Max(0, Owner.Prompt.Length - 1 - Cached.Count);

    /// <summary>Whether the next token takes a decoding step: all is read but the last token, generated or of the prompt.</summary>
    public bool NeedsStep => Unread == 0 && Cached.Count < Owner!.Prompt.Length + Owner.Generated.Count;

    /// <summary>The token that the next one follows.</summary>
    public int LastToken => Owner!.Generated.Count > 0 ? Owner.Generated[^1] : Owner.Prompt[^1];

    /// <summary>Frees the slot and forgets what it holds.</summary>
    public void Clear()
    {
        (Owner, Done, LastUse) = (null, false, 0);
        Cached.Clear();
    }
}
