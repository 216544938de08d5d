namespace OllmNative.Training;

/// <summary>Rows of token ids that need not be in memory: an index reads one. Every row has a target.</summary>
public interface ITokenRows : IReadOnlyList<TokenRow>
{
    /// <summary>Tokens of the longest row; 0 when there is none.</summary>
    int Longest { get; }
}
