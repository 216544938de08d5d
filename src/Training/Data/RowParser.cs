using System.Text.Json;

namespace OllmNative.Training;

/// <summary>Recognises the schema of one JSON line and makes a <see cref="DataRow"/> of it.</summary>
internal sealed class RowParser
{
    private const string Schemas =
        "problem + generated_solution/expected_answer, problem + solution/answer, question + answer, prompt + completion, messages, text, or tokens + prompt_length";

    private static readonly string[] ExtraNames =
    [
        "difficulty", "domain", "subject", "level", "conflict", "problem_type", "inference_mode", "pass_rate_72b_tir", "problem_source", "generation_model", "source",
    ];

    private readonly JsonElement _row;
    private readonly string _file;
    private readonly int _line;

    private RowParser(JsonElement row, LineReader line)
    {
        _row = row;
        (_file, _line) = (line.Path, line.Line);
    }

    /// <summary>The row on the reader's current line, or what is wrong with it as "FILE:LINE: ... expected ...".</summary>
    public static (DataRow? Row, string? Problem) Parse(LineReader line)
    {
        if (line.IsTooLong) return (null, $"{line.Place}the line is too long; expected at most {LineReader.MaxLineBytes >> 20} MB");
        try
        {
            using JsonDocument document = JsonDocument.Parse(line.Text);
            if (document.RootElement.ValueKind != JsonValueKind.Object) throw new BadRowException($"the line is {Describe(document.RootElement)}; expected one JSON object per line");
            return (new RowParser(document.RootElement, line).Read(), null);
        }
        catch (JsonException e)
        {
            return (null, $"{line.Place}malformed JSON at byte {e.BytePositionInLine}; expected one JSON object per line");
        }
        catch (BadRowException e)
        {
            return (null, line.Place + e.Message);
        }
        catch (InvalidOperationException)
        {
            // System.Text.Json reports broken UTF-8 and lone surrogates in this way, when the string is taken out.
            return (null, $"{line.Place}a string is not valid Unicode; expected UTF-8 text");
        }
    }

    private DataRow Read()
    {
        DataRow row =
            Has("tokens") ? ReadTokens() :
            Has("messages") ? ReadMessages() :
            Has("prompt") ? ReadPrompt() :
            Has("problem") ? ReadProblem() :
            Has("question") ? ReadQuestion() :
            Has("text") ? new DataRow { Line = _line, Kind = RowKind.Text, Prompt = "", Completion = Text("text") } :
            throw new BadRowException($"unknown columns ({Columns()}); expected {Schemas}");
        return row with { File = _file, Extra = ReadExtra() };
    }

    private DataRow ReadProblem()
    {
        bool isMath = !Has("generated_solution") && !Has("expected_answer") && (Has("solution") || Has("answer"));
        string? solution = Text(isMath ? "solution" : "generated_solution");
        string? answer = Answer(isMath ? "answer" : "expected_answer");
        if (isMath && answer == null && solution != null) answer = AnswerExtractor.Extract(solution);
        return new DataRow
        {
            Line = _line,
            Kind = isMath ? RowKind.Math : RowKind.OpenMathReasoning,
            Problem = Text("problem"),
            Completion = solution,
            ExpectedAnswer = answer,
        };
    }

    private DataRow ReadQuestion()
    {
        string answer = Text("answer") ?? throw new BadRowException("the row has a question and no answer; expected question + answer");
        int mark = answer.LastIndexOf("####", StringComparison.Ordinal);
        return new DataRow
        {
            Line = _line,
            Kind = RowKind.Gsm8k,
            Problem = Text("question"),
            Completion = answer,
            ExpectedAnswer = Known(mark < 0 ? answer : answer[(mark + 4)..]),
        };
    }

    private DataRow ReadPrompt()
    {
        string? completion = Text("completion");
        string? answer = Answer("expected_answer") ?? Answer("answer");
        if (completion == null && answer == null) throw new BadRowException("the row has a prompt alone; expected prompt + completion, or prompt + expected_answer");
        return new DataRow { Line = _line, Kind = RowKind.PromptCompletion, Prompt = Text("prompt"), Completion = completion, ExpectedAnswer = answer };
    }

    private DataRow ReadMessages()
    {
        JsonElement array = _row.GetProperty("messages");
        if (array.ValueKind != JsonValueKind.Array || array.GetArrayLength() == 0) throw Wrong("messages", array, "an array of {role, content}");
        var turns = new List<RowMessage>();
        foreach (JsonElement turn in array.EnumerateArray()) turns.Add(ReadTurn(turn, turns.Count));
        string? answer = Answer("expected_answer") ?? Answer("answer");
        string? completion = null;
        if (turns[^1].Role == "assistant")
        {
            completion = turns[^1].Content;
            turns.RemoveAt(turns.Count - 1);
        }
        else if (answer == null) throw new BadRowException($"the last message is of role {turns[^1].Role}; expected assistant, whose turn is learned, or an expected_answer");
        return new DataRow { Line = _line, Kind = RowKind.Messages, Messages = turns, Completion = completion, ExpectedAnswer = answer };
    }

    private static RowMessage ReadTurn(JsonElement turn, int index)
    {
        bool isObject = turn.ValueKind == JsonValueKind.Object;
        string? role = isObject && turn.TryGetProperty("role", out JsonElement r) && r.ValueKind == JsonValueKind.String ? r.GetString() : null;
        string? content = isObject && turn.TryGetProperty("content", out JsonElement c) && c.ValueKind == JsonValueKind.String ? c.GetString() : null;
        if (role is not ("system" or "user" or "assistant" or "tool") || content == null)
        {
            throw new BadRowException($"messages[{index}] is not a turn; expected {{\"role\": system, user, assistant or tool, \"content\": text}}");
        }

        return new RowMessage(role, content);
    }

    private DataRow ReadTokens()
    {
        JsonElement array = _row.GetProperty("tokens");
        if (array.ValueKind != JsonValueKind.Array || array.GetArrayLength() == 0) throw Wrong("tokens", array, "a non-empty array of token ids");
        var tokens = new int[array.GetArrayLength()];
        int index = 0;
        foreach (JsonElement item in array.EnumerateArray())
        {
            bool isId = item.ValueKind == JsonValueKind.Number && item.TryGetInt32(out tokens[index]) && tokens[index] >= 0;
            if (!isId) throw Wrong($"tokens[{index}]", item, "a whole number that is not negative");
            index++;
        }

        int promptLength = 0;
        if (Has("prompt_length"))
        {
            JsonElement length = _row.GetProperty("prompt_length");
            bool isLength = length.ValueKind == JsonValueKind.Number && length.TryGetInt32(out promptLength) && promptLength >= 0 && promptLength <= tokens.Length;
            if (!isLength) throw Wrong("prompt_length", length, $"a whole number from 0 to {tokens.Length}, the number of tokens");
        }

        return new DataRow { Line = _line, Kind = RowKind.Tokens, Tokens = tokens, PromptLength = promptLength };
    }

    private Dictionary<string, string> ReadExtra()
    {
        var extra = new Dictionary<string, string>();
        foreach (string name in ExtraNames)
        {
            if (!Has(name)) continue;
            JsonElement value = _row.GetProperty(name);
            if (value.ValueKind == JsonValueKind.Array) extra[name] = string.Join("; ", value.EnumerateArray().Select(Scalar));
            else extra[name] = Scalar(value);
        }

        return extra;
    }

    private static string Scalar(JsonElement value) => value.ValueKind == JsonValueKind.String ? value.GetString()! : value.GetRawText();

    // A column that is null counts as missing, as in a table with optional columns.
    private bool Has(string name) => _row.TryGetProperty(name, out JsonElement value) && value.ValueKind != JsonValueKind.Null;

    private string? Text(string name)
    {
        if (!Has(name)) return null;
        JsonElement value = _row.GetProperty(name);
        return value.ValueKind == JsonValueKind.String ? value.GetString() : throw Wrong(name, value, "a string");
    }

    private string? Answer(string name)
    {
        // Answers that are numbers in JSON are common in hand-made files and mean the same.
        if (Has(name) && _row.GetProperty(name) is { ValueKind: JsonValueKind.Number } number) return number.GetRawText();
        return Known(Text(name));
    }

    private static string? Known(string? answer)
    {
        answer = answer?.Trim();
        return string.IsNullOrEmpty(answer) || answer.Equals("n/a", StringComparison.OrdinalIgnoreCase) ? null : answer;
    }

    private string Columns()
    {
        string[] names = _row.EnumerateObject().Take(9).Select(property => property.Name).ToArray();
        return names.Length == 0 ? "none" : string.Join(", ", names.Take(8)) + (names.Length > 8 ? ", ..." : "");
    }

    private static BadRowException Wrong(string name, JsonElement value, string expected) => new($"{name} is {Describe(value)}; expected {expected}");

    private static string Describe(JsonElement value)
    {
        if (value.ValueKind is JsonValueKind.Number) return value.GetRawText().Length <= 40 ? value.GetRawText() : "a long number";
        return value.ValueKind switch
        {
            JsonValueKind.Array => value.GetArrayLength() == 0 ? "an empty array" : "an array",
            JsonValueKind.Object => "an object",
            JsonValueKind.String => "a string",
            JsonValueKind.Null => "null",
            _ => value.GetRawText(),
        };
    }

    /// <summary>Carries what is wrong with a row up to <see cref="Parse"/>.</summary>
    private sealed class BadRowException(string message) : Exception(message);
}
