using System.CommandLine;

namespace OllmNative.Cli.Commands;

/// <summary><c>ollm generate</c>: text after a prompt.</summary>
internal static class GenerateCommand
{
    public static Command Create(Output ui)
    {
        var command = new Command("generate", "Write text after a prompt, greedily unless sampling options are given (generation_config.json is not used).");
        var model = new ModelOptions(command, withQuantize: true);
        var prompt = new Option<string?>("--prompt") { Description = "The prompt; without it all of stdin is read.", HelpName = "TEXT" };
        var chat = new Option<bool>("--chat") { Description = "The prompt is a user's message: write it in the chat format." };
        var raw = new Option<bool>("--raw") { Description = "The prompt is taken literally (the default)." };
        foreach (Option option in (Option[])[prompt, chat, raw]) command.Add(option);
        var flags = new GenerationFlags(command);
        command.Validators.Add(result =>
        {
            if (result.GetValue(chat) && result.GetValue(raw)) result.AddError("--chat and --raw exclude each other");
        });

        command.SetAction(parsed =>
        {
            string? given = parsed.GetValue(prompt);
            string text = given ?? ui.ReadInput();
            using ModelSession session = model.Open(parsed);
            TextWriterModel writer = flags.Open(parsed, session);
            bool wrap = parsed.GetValue(chat) || (flags.System(parsed) is not null && !parsed.GetValue(raw));
            // The line break that ends a line typed or piped in is no part of a message.
            int[] ids = wrap
                ? Prompts.Chat(session.Tokenizer, writer.Format, Prompts.Conversation(flags.System(parsed), given ?? text.TrimEnd('\r', '\n')))
                : Prompts.Raw(session.Tokenizer, text);
            WrittenText written = writer.Write(ids, ui.Write, ui.Cancellation);
            ui.Line();
            ui.Log(FormattableString.Invariant($"{written.Tokens.Count} tokens after {ids.Length}, {written.TokensPerSecond:F1} tokens/s, ended by {written.FinishReason}"));
            ui.Result(new
            {
                text = written.Text,
                tokens = written.Tokens,
                options = written.Options,
                prompt_tokens = ids.Length,
                finish_reason = written.FinishReason,
                tokens_per_second = written.TokensPerSecond,
            });
        });
        return command;
    }
}
