using System.Text;
using OllmNative.Model;

namespace OllmNative.Cli.Server;

/// <summary>Builds the JSON objects of completion answers, whole and in pieces, as OpenAI's API defines them.</summary>
internal sealed class AnswerShapes(ParsedRequest request, ServedModel model)
{
    private readonly string _id = $"{(request.Chat ? "chatcmpl" : "cmpl")}-{Guid.NewGuid():N}";
    private readonly long _created = DateTimeOffset.UtcNow.ToUnixTimeSeconds();

    /// <summary>The whole answer.</summary>
    public object Whole(IReadOnlyList<CollectedAnswer> answers, object usage) => new
    {
        id = _id,
        @object = request.Chat ? "chat.completion" : "text_completion",
        created = _created,
        model = model.Name,
        choices = answers.Select((answer, index) => Choice(
            index,
            request.Chat ? ("message", new { role = "assistant", content = answer.Text, refusal = (string?)null }) : ("text", answer.Text),
            answer.Tokens, answer.FinishReason, offset: 0)),
        usage,
    };

    /// <summary>The piece that opens an answer of a conversation.</summary>
    public object Opening(int index) => Chunk([Choice(index, ("delta", new { role = "assistant", content = "" }), [], null, 0)]);

    /// <summary>A piece of an answer.</summary>
    /// <param name="happened">A token, or the end.</param>
    /// <param name="offset">Characters of the answer before it.</param>
    public object Piece(JobEvent happened, int offset)
    {
        JobEvent[] tokens = happened.Token is null && happened.Echo is null ? [] : [happened];
        object delta = happened.FinishReason is not null && happened.Text.Length == 0 ? new { } : new { content = happened.Text };
        return Chunk([Choice(happened.Answer, request.Chat ? ("delta", delta) : ("text", happened.Text), tokens, happened.FinishReason, offset)]);
    }

    /// <summary>The piece with the count of tokens, after all others.</summary>
    public object UsageChunk(object usage) => Chunk([], usage);

    /// <summary>Counts of tokens.</summary>
    public object Usage(int generated)
    {
        int prompt = request.Prompts.Sum(tokens => tokens.Length);
        return new { prompt_tokens = prompt, completion_tokens = generated, total_tokens = prompt + generated };
    }

    private Dictionary<string, object?> Chunk(object[] choices, object? usage = null)
    {
        var chunk = new Dictionary<string, object?>
        {
            ["id"] = _id,
            ["object"] = request.Chat ? "chat.completion.chunk" : "text_completion",
            ["created"] = _created,
            ["model"] = model.Name,
            ["choices"] = choices,
        };
        if (request.IncludeUsage) chunk["usage"] = usage;
        return chunk;
    }

    private Dictionary<string, object?> Choice(int index, (string Name, object Value) content, IReadOnlyList<JobEvent> tokens, string? finish, int offset)
    {
        var choice = new Dictionary<string, object?> { ["index"] = index, [content.Name] = content.Value };
        (int Token, TokenScore? Score)[] scored = request.TopScores is null
            ? []
            : [.. tokens.SelectMany(token => token.Echo ?? (token.Score is null || token.IsEnd ? [] : [(token.Token!.Value, token.Score)]))];
        choice["logprobs"] = request.TopScores is null || (request.Stream && scored.Length == 0) ? null : request.Chat ? ChatScores(scored) : TextScores(scored, offset);
        choice["finish_reason"] = finish;
        if (request.ReturnOptions && (tokens.Count > 0 || !request.Stream)) choice["ollm"] = new { tokens = tokens.Where(token => token.Explained is not null).Select(Explained) };
        return choice;
    }

    private object Explained(JobEvent token) => new
    {
        token = token.Token,
        text = TextOf(token.Token!.Value),
        latent = token.Explained!.Option,
        entropy = token.Explained.BackboneEntropy,
        policy = token.Explained.Options.Select(option => option.PolicyProbability),
        options = token.Explained.Options.Select(option => new { token = option.Token, text = TextOf(option.Token), probability = option.Probability }),
    };

    private object ChatScores(IEnumerable<(int Token, TokenScore? Score)> tokens)
    {
        return new
        {
            content = tokens.Select(token => new
            {
                token = TextOf(token.Token),
                logprob = token.Score!.LogProbability,
                bytes = BytesOf(token.Token),
                top_logprobs = token.Score.Top.Select(top => new { token = TextOf(top.Token), logprob = top.LogProbability, bytes = BytesOf(top.Token) }),
            }),
            refusal = (object?)null,
        };
    }

    private object TextScores((int Token, TokenScore? Score)[] tokens, int offset)
    {
        var offsets = new int[tokens.Length];
        for (int i = 0; i < tokens.Length; i++)
        {
            offsets[i] = offset;
            offset += TextOf(tokens[i].Token).Length;
        }
        return new
        {
            tokens = tokens.Select(token => TextOf(token.Token)),
            // The first token of a prompt follows nothing.
            token_logprobs = tokens.Select(token => token.Score?.LogProbability),
            top_logprobs = tokens.Select(token => token.Score?.Top
                .GroupBy(top => TextOf(top.Token)).ToDictionary(same => same.Key, same => same.First().LogProbability)),
            text_offset = offsets,
        };
    }

    private string TextOf(int token) => model.Tokenizer.Decode([token]);

    private IEnumerable<int> BytesOf(int token) => [.. model.Tokenizer.TokenBytes(token).ToArray().Select(b => (int)b)];
}

/// <summary>An answer as far as it has come.</summary>
internal sealed class CollectedAnswer
{
    private readonly StringBuilder _text = new();
    private readonly bool _keepTokens;

    /// <summary>Begins empty; tokens are kept where the answer has to say something about each.</summary>
    public CollectedAnswer(bool keepTokens) => _keepTokens = keepTokens;

    /// <summary>The text.</summary>
    public string Text => _text.ToString();

    /// <summary>Characters so far.</summary>
    public int Length => _text.Length;

    /// <summary>The tokens, when kept.</summary>
    public List<JobEvent> Tokens { get; } = [];

    /// <summary>stop or length, once ended.</summary>
    public string? FinishReason { get; private set; }

    /// <summary>Adds what happened.</summary>
    public void Add(JobEvent happened)
    {
        _text.Append(happened.Text);
        if ((happened.Token ?? happened.Echo?.Count) is not null && _keepTokens) Tokens.Add(happened);
        FinishReason ??= happened.FinishReason;
    }
}
