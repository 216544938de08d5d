using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;
using OllmNative.Model;

namespace OllmNative.Cli.Server;

/// <summary>A completion request, understood and checked.</summary>
internal sealed record ParsedRequest
{
    /// <summary>/v1/chat/completions rather than /v1/completions.</summary>
    public required bool Chat { get; init; }

    /// <summary>Token ids of each prompt; a conversation is one.</summary>
    public required IReadOnlyList<int[]> Prompts { get; init; }

    /// <summary>The text of each prompt, where answers begin with it; null where they do not.</summary>
    public required IReadOnlyList<string>? Echoes { get; init; }

    /// <summary>Answers to each prompt.</summary>
    public required int Count { get; init; }

    /// <summary>Most tokens of each answer; 0 for none.</summary>
    public required int MaxTokens { get; init; }

    /// <summary>How tokens are picked.</summary>
    public required SamplerOptions Sampler { get; init; }

    /// <summary>Seed of the first answer; the others' follow from it.</summary>
    public required ulong Seed { get; init; }

    /// <summary>Go on after the end token, for measurements (a field that vLLM knows too).</summary>
    public required bool IgnoreEnd { get; init; }

    /// <summary>Texts that end an answer.</summary>
    public required string[] Stops { get; init; }

    /// <summary>Who chooses options.</summary>
    public required LatentSetting Latent { get; init; }

    /// <summary>Options of the first tokens.</summary>
    public required int[] OptionsPrefix { get; init; }

    /// <summary>Say for each token what every option would have said.</summary>
    public required bool ReturnOptions { get; init; }

    /// <summary>How many likeliest tokens to name for each token; null for no log-probabilities at all.</summary>
    public required int? TopScores { get; init; }

    /// <summary>Answer piece by piece.</summary>
    public required bool Stream { get; init; }

    /// <summary>End a stream with a chunk that counts tokens.</summary>
    public required bool IncludeUsage { get; init; }
}

/// <summary>Understands the bodies of completion requests.</summary>
internal sealed class RequestReader(ServedModel model, ServerSettings settings)
{
    private const int MostAnswers = 64, MostStops = 4, MostTopScores = 20, UsualCompletion = 16;

    /// <summary>Reads a request.</summary>
    /// <exception cref="ApiException">A field has a wrong type or value, or asks for something that this server does not do.</exception>
    /// <exception cref="OllmException">The conversation or a text cannot be written for the model.</exception>
    public ParsedRequest Read(JsonElement json, bool chat)
    {
        if (json.ValueKind != JsonValueKind.Object) throw new ApiException(400, "the body is not valid: expected a JSON object", code: "invalid_json");
        var fields = new RequestFields(json);
        if (fields.Text("model") is { } wanted && wanted != model.Name) throw NoModel(wanted);
        RefuseWhatIsNotDone(fields);
        RequestFields? extension = fields.Object("ollm");
        bool streams = fields.Flag("stream");
        List<int[]> prompts = ReadPrompts(fields, extension, chat);
        var request = new ParsedRequest
        {
            Chat = chat,
            Prompts = prompts,
            Echoes = fields.Flag("echo") ? ReadEchoes(fields, extension, chat, prompts) : null,
            Count = fields.Integer("n", 1, MostAnswers) ?? 1,
            MaxTokens = ReadMaxTokens(fields, chat),
            Sampler = ReadSampler(fields),
            Seed = fields.Seed("seed") ?? BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(sizeof(ulong))),
            IgnoreEnd = fields.Flag("ignore_eos"),
            Stops = fields.OneOrMoreTexts("stop", MostStops),
            Latent = ReadLatent(extension),
            OptionsPrefix = ReadOptionsPrefix(extension),
            ReturnOptions = extension?.Flag("return_options") ?? false,
            TopScores = chat ? ReadChatScores(fields) : fields.Integer("logprobs", 0, MostTopScores),
            Stream = streams,
            IncludeUsage = fields.Object("stream_options") is { } options && options.Flag("include_usage"),
        };
        if (!streams && fields.Get("stream_options") is not null) throw fields.Wrong("stream_options", "nothing, unless 'stream' is true");
        int answers = request.Count * request.Prompts.Count, room = Math.Min(MostAnswers, settings.Slots + settings.Queue);
        if (answers > room) throw new ApiException(400, $"the request asks for {answers} answers: expected up to {room}, prompts times 'n'", "n", "invalid_value");
        return request;
    }

    /// <summary>The refusal of a model's name.</summary>
    public ApiException NoModel(string wanted) =>
        new(404, $"the model '{wanted}' does not exist: this server has '{model.Name}'", "model", "model_not_found");

    private static void RefuseWhatIsNotDone(RequestFields fields)
    {
        foreach (string name in (string[])["presence_penalty", "frequency_penalty"])
        {
            if (fields.Number(name, -2, 2) is not (null or 0)) throw Unsupported(name, "a penalty other than 0 is not supported; 'repetition_penalty' is");
        }
        foreach (string name in (string[])["tools", "functions", "logit_bias", "suffix", "audio", "prediction"])
        {
            bool empty = fields.Get(name) is not { } value || value.ValueKind switch
            {
                JsonValueKind.Array => value.GetArrayLength() == 0,
                JsonValueKind.Object => !value.EnumerateObject().Any(),
                JsonValueKind.String => fields.TextOf(value, name).Length == 0,
                _ => false,
            };
            if (!empty) throw Unsupported(name, "is not supported");
        }
        if (fields.Integer("best_of", 1, MostAnswers) is int best && best > (fields.Integer("n", 1, MostAnswers) ?? 1)) throw Unsupported("best_of", "above 'n' is not supported");
        if (fields.Object("response_format") is { } format && format.Text("type") is not (null or "text")) throw Unsupported("response_format", "other than text is not supported");

        static ApiException Unsupported(string name, string why) => new(400, $"'{name}': {why}", name, "unsupported_parameter");
    }

    private List<int[]> ReadPrompts(RequestFields fields, RequestFields? extension, bool chat)
    {
        List<int[]> prompts = extension?.Integers("prompt_tokens", model.Session.Config.VocabSize - 1) is { } tokens
            ? [tokens]
            : chat ? [Prompts.Chat(model.Tokenizer, model.Format, ReadMessages(fields))] : ReadTexts(fields);
        foreach (int[] prompt in prompts)
        {
            string name = chat ? "messages" : "prompt";
            if (prompt.Length == 0) throw fields.Wrong(name, "at least one token");
            if (prompt.Length >= settings.Context)
            {
                throw new ApiException(
                    400, $"the prompt has {prompt.Length} tokens and leaves no room for an answer: the context is {settings.Context} tokens", name, "context_length_exceeded");
            }
        }
        return prompts;
    }

    /// <summary>A text, several texts, token ids or several lists of them.</summary>
    private List<int[]> ReadTexts(RequestFields fields)
    {
        const string name = "prompt", expected = "a text, a list of texts, a list of token ids or a list of such lists, not empty";
        if (fields.Get(name) is not { } value) throw fields.Wrong(name, expected);
        if (value.ValueKind == JsonValueKind.String) return [Prompts.Raw(model.Tokenizer, fields.TextOf(value, name))];
        if (value.ValueKind != JsonValueKind.Array || value.GetArrayLength() == 0) throw fields.Wrong(name, expected);
        int last = model.Session.Config.VocabSize - 1;
        if (value[0].ValueKind == JsonValueKind.Number) return [fields.IntegersOf(value, name, last)];
        if (value.GetArrayLength() > MostAnswers) throw fields.Wrong(name, $"up to {MostAnswers} prompts");
        return [.. value.EnumerateArray().Select(item => item.ValueKind == JsonValueKind.Array
            ? fields.IntegersOf(item, name, last)
            : Prompts.Raw(model.Tokenizer, fields.TextOf(item, name)))];
    }

    /// <summary>What answers begin with: a prompt's own text, or that of its tokens.</summary>
    private List<string> ReadEchoes(RequestFields fields, RequestFields? extension, bool chat, List<int[]> prompts)
    {
        if (chat) throw new ApiException(400, "'echo': is not supported in conversations", "echo", "unsupported_parameter");
        JsonElement? prompt = extension?.Get("prompt_tokens") is null ? fields.Get("prompt") : null;
        if (prompt is { ValueKind: JsonValueKind.String } text) return [text.GetString()!];
        return [.. prompts.Select((tokens, i) => prompt is { } list && list[i].ValueKind == JsonValueKind.String ? list[i].GetString()! : model.Tokenizer.Decode(tokens))];
    }

    private static List<ChatMessage> ReadMessages(RequestFields fields)
    {
        if (fields.Get("messages") is not { ValueKind: JsonValueKind.Array } list || list.GetArrayLength() == 0)
            throw fields.Wrong("messages", "a list of at least one message");
        var messages = new List<ChatMessage>();
        foreach (JsonElement item in list.EnumerateArray())
        {
            string at = $"messages[{messages.Count}]";
            if (item.ValueKind != JsonValueKind.Object) throw fields.Wrong(at, "an object with role and content");
            var message = new RequestFields(item, at + ".");
            string? role = message.Text("role");
            if (role is not ("system" or "developer" or "user" or "assistant")) throw message.Wrong("role", "system, developer, user or assistant");
            messages.Add(new ChatMessage(role == "developer" ? "system" : role, ReadContent(message)));
        }
        return messages;
    }

    /// <summary>A text, or parts that are texts.</summary>
    private static string ReadContent(RequestFields message)
    {
        const string name = "content";
        if (message.Get(name) is not { } content) throw message.Wrong(name, "a text");
        if (content.ValueKind != JsonValueKind.Array) return message.TextOf(content, name);
        return string.Concat(content.EnumerateArray().Select((part, index) =>
        {
            if (part.ValueKind != JsonValueKind.Object) throw message.Wrong($"{name}[{index}]", "an object of type text");
            return new RequestFields(part).Text("type") is "text" && new RequestFields(part).Text("text") is { } text
                ? text
                : throw message.Wrong($"{name}[{index}]", "an object of type text, the only kind that the model reads");
        }));
    }

    private int ReadMaxTokens(RequestFields fields, bool chat)
    {
        int? tokens = fields.Integer("max_tokens", chat ? 1 : 0, int.MaxValue), completion = fields.Integer("max_completion_tokens", 1, int.MaxValue);
        string name = completion is null ? "max_tokens" : "max_completion_tokens";
        int most = completion ?? tokens ?? (chat ? settings.MaxTokensLimit : Math.Min(UsualCompletion, settings.MaxTokensLimit));
        if (most > settings.MaxTokensLimit) throw fields.Wrong(name, $"at most {settings.MaxTokensLimit}, this server's limit");
        return most;
    }

    private static SamplerOptions ReadSampler(RequestFields fields)
    {
        var sampler = new SamplerOptions
        {
            Temperature = (float)(fields.Number("temperature", 0, 2) ?? 1),
            TopP = (float)(fields.Number("top_p", 0, 1) ?? 1),
            TopK = fields.Integer("top_k", 0, int.MaxValue) ?? 0,
            MinP = (float)(fields.Number("min_p", 0, 1) ?? 0),
            RepetitionPenalty = (float)(fields.Number("repetition_penalty", 0.01, 100) ?? 1),
        };
        // OpenAI allows top_p 0, which keeps the likeliest token alone.
        return sampler.TopP > 0 ? sampler : sampler with { TopP = 1, TopK = 1 };
    }

    private static int? ReadChatScores(RequestFields fields)
    {
        int? top = fields.Integer("top_logprobs", 0, MostTopScores);
        if (fields.Flag("logprobs")) return top ?? 0;
        return top is null or 0 ? null : throw fields.Wrong("top_logprobs", "nothing, unless 'logprobs' is true");
    }

    private LatentSetting ReadLatent(RequestFields? extension)
    {
        const string expected = "policy, sample, backbone or force:k, k an option of the model";
        string? word = extension?.Text("latent");
        if (extension is not { } fields || word is null) return new LatentSetting(model.Options is null ? LatentChoice.Backbone : LatentChoice.Policy);
        LatentSetting? setting = word switch
        {
            "backbone" => new LatentSetting(LatentChoice.Backbone),
            "policy" => new LatentSetting(LatentChoice.Policy),
            "sample" => new LatentSetting(LatentChoice.Sample),
            "force" => new LatentSetting(LatentChoice.Force, fields.Integer("option", 0, int.MaxValue) ?? throw fields.Wrong("option", "the option to force")),
            _ when word.StartsWith("force:", StringComparison.Ordinal)
                && int.TryParse(word.AsSpan(6), NumberStyles.None, CultureInfo.InvariantCulture, out int option) => new LatentSetting(LatentChoice.Force, option),
            _ => null,
        };
        if (setting is not { } latent) throw fields.Wrong("latent", expected);
        if (latent.Choice != LatentChoice.Backbone && model.Options is null) throw fields.Wrong("latent", "backbone: the server runs without an OLLM");
        return latent.Choice == LatentChoice.Force && latent.Option >= model.Options ? throw fields.Wrong("latent", $"{expected} (0 to {model.Options - 1})") : latent;
    }

    private int[] ReadOptionsPrefix(RequestFields? extension)
    {
        if (extension is not { } fields || fields.Get("options_prefix") is null) return [];
        if (model.Options is not int options) throw fields.Wrong("options_prefix", "nothing: the server runs without an OLLM");
        return fields.Integers("options_prefix", options - 1)!;
    }
}
