using OllmNative.Model;

namespace OllmNative.Training;

/// <summary>A training row as token ids. Targets are the tokens at index >= max(<paramref name="PromptLength"/>, 1).</summary>
/// <param name="Tokens">Prompt and completion.</param>
/// <param name="PromptLength">Tokens of the prompt, which are not learned.</param>
/// <param name="Line">Line of the data file, for messages.</param>
public sealed record TokenRow(int[] Tokens, int PromptLength, int Line)
{
    /// <summary>Index of the first target.</summary>
    public int FirstTarget => Math.Max(PromptLength, 1);

    /// <summary>Number of targets.</summary>
    public int Targets => Math.Max(0, Tokens.Length - FirstTarget);
}

/// <summary>
/// Turns data rows into token ids: a mathematics problem becomes a user turn of the model's chat format with
/// OpenMathReasoning's instruction (in the plain format: the problem and a line feed), its solution the assistant's turn;
/// prompt/completion and text rows are taken literally. The end token is appended and learned.
/// </summary>
public sealed class RowEncoder
{
    /// <summary>What stands before a problem in chat formats.</summary>
    public const string Instruction = "Solve the following math problem. Make sure to put the answer (and only answer) inside \\boxed{}.\n\n";

    private readonly Tokenizer? _tokenizer;
    private readonly ChatFormat _format;
    private readonly ModelConfig _config;
    private readonly int _maxLength;

    /// <summary>Prepares for a model.</summary>
    /// <param name="config">Gives vocabulary, context and end token.</param>
    /// <param name="tokenizer">Null when only pre-tokenised rows are to be read.</param>
    /// <param name="format">Chat format of problems and messages.</param>
    /// <param name="maxLength">Rows are cut to this many tokens; 0 refuses rows longer than the context.</param>
    /// <exception cref="OllmException">The tokenizer has ids outside the model's vocabulary.</exception>
    public RowEncoder(ModelConfig config, Tokenizer? tokenizer, ChatFormat format, int maxLength = 0)
    {
        ArgumentNullException.ThrowIfNull(config);
        if (tokenizer is not null && tokenizer.VocabularySize > config.VocabSize)
        {
            throw new OllmException(
                $"{config.Path}: vocab_size is {config.VocabSize}, but the tokenizer has ids up to {tokenizer.VocabularySize - 1}; expected a tokenizer of this model");
        }
        if (maxLength < 0 || maxLength == 1) throw new OllmException($"--max-length {maxLength}: expected at least 2 tokens");
        (_config, _tokenizer, _format, _maxLength) = (config, tokenizer, format, maxLength);
        EndToken = FindEndToken();
    }

    /// <summary>The token that ends a completion; null when the model names none.</summary>
    public int? EndToken { get; }

    /// <summary>Tokens that end a generated sequence.</summary>
    public IReadOnlyList<int> StopTokens => [.. _config.EosTokenIds.Append(EndToken ?? -1).Where(id => id >= 0).Distinct()];

    /// <summary>Encodes a row for training.</summary>
    /// <exception cref="OllmException">The row has nothing to learn from, an id outside the vocabulary, or is too long.</exception>
    public TokenRow Encode(DataRow row)
    {
        ArgumentNullException.ThrowIfNull(row);
        int[] prompt, tokens;
        if (row.Tokens is not null)
        {
            foreach (int id in row.Tokens)
            {
                if (id >= _config.VocabSize) throw new OllmException($"{row.Place}: token id {id} is outside the model's vocabulary of {_config.VocabSize}");
            }
            (prompt, tokens) = (row.Tokens[..row.PromptLength], row.Tokens);
        }
        else
        {
            if (row.Completion is null) throw new OllmException($"{row.Place}: the row has no solution or completion to learn from");
            prompt = EncodePrompt(row);
            int[] completion = EncodeCompletion(row.Completion, TokenizerFor(row), prompt);
            tokens = [.. prompt, .. completion, .. EndToken is int end ? (int[])[end] : []];
        }
        if (_maxLength > 0 && tokens.Length > _maxLength) tokens = tokens[.._maxLength];
        if (tokens.Length > _config.MaxPositions)
        {
            throw new OllmException(
                $"{row.Place}: the row has {tokens.Length} tokens, but the model's context is {_config.MaxPositions}; give --max-length to cut long rows");
        }
        return new TokenRow(tokens, Math.Min(prompt.Length, tokens.Length), row.Line);
    }

    /// <summary>Token ids of what precedes the completion.</summary>
    public int[] EncodePrompt(DataRow row)
    {
        ArgumentNullException.ThrowIfNull(row);
        if (row.Tokens is not null) return row.Tokens[..row.PromptLength];
        if (row.Messages is not null) return Render([.. row.Messages.Select(m => new ChatMessage(m.Role, m.Content))], row);
        if (row.Problem is null) return TokenizerFor(row).EncodeBeginning(row.Prompt ?? "", allowSpecial: false);
        return _format.Name == "plain"
            ? TokenizerFor(row).Encode(row.Problem + TinyWorld.Separator, allowSpecial: false)
            : Render([new ChatMessage("user", Instruction + row.Problem)], row);
    }

    /// <summary>
    /// A completion as the model would write it: other special tokens in it are text, but the marks of its thinking are the model's
    /// own tokens where it has them; and where the prompt opens the thinking already (DeepSeek-R1), the solution does not open it again.
    /// </summary>
    private static int[] EncodeCompletion(string completion, Tokenizer tokenizer, int[] prompt)
    {
        const string open = "<think>", close = "</think>";
        if (tokenizer.IdOf(open) is not int opening || tokenizer.IdOf(close) is not int closing) return tokenizer.Encode(completion, allowSpecial: false);
        var tokens = new List<int>();
        string rest = completion;
        if (completion.TrimStart().StartsWith(open, StringComparison.Ordinal))
        {
            rest = completion.TrimStart()[open.Length..];
            if (prompt.AsSpan().LastIndexOf(opening) is int at && at >= 0 && at >= prompt.Length - 2) rest = rest.TrimStart('\n');
            else tokens.Add(opening);
        }
        if (rest.IndexOf(close, StringComparison.Ordinal) is int end and >= 0)
        {
            tokenizer.Encode(rest.AsSpan(0, end), tokens, allowSpecial: false);
            tokens.Add(closing);
            rest = rest[(end + close.Length)..];
        }
        tokenizer.Encode(rest, tokens, allowSpecial: false);
        return [.. tokens];
    }

    private int[] Render(IReadOnlyList<ChatMessage> messages, DataRow row) =>
        _format.Encode(TokenizerFor(row), messages, addGenerationPrompt: true);

    private Tokenizer TokenizerFor(DataRow row) => _tokenizer
        ?? throw new OllmException($"{row.File}: the rows are text, but the model folder has no tokenizer.json; expected one, or rows of tokens and prompt_length");

    private int? FindEndToken()
    {
        foreach (string stop in _format.StopTokens)
        {
            if (_tokenizer?.IdOf(stop) is int id) return id;
        }
        return _tokenizer?.EosTokenId ?? (_config.EosTokenIds.Length > 0 ? _config.EosTokenIds[0] : null);
    }
}
