using System.CommandLine;
using OllmNative.Model;

namespace OllmNative.Cli.Commands;

/// <summary><c>ollm chat</c>: a conversation line by line.</summary>
internal static class ChatCommand
{
    public static Command Create(Output ui)
    {
        var command = new Command("chat", "Talk with the model, a line at a time; /options shows the last answer's options, /reset starts over, /exit ends.");
        var model = new ModelOptions(command, withQuantize: true);
        var flags = new GenerationFlags(command);
        command.SetAction(parsed =>
        {
            using ModelSession session = model.Open(parsed);
            var chat = new Conversation(session, flags.Open(parsed, session), flags.System(parsed), ui);
            chat.Run();
        });
        return command;
    }

    private sealed record Turn(string User, string Assistant, IReadOnlyList<int> Tokens, IReadOnlyList<int> Options, double TokensPerSecond);

    private sealed class Conversation(ModelSession session, TextWriterModel writer, string? system, Output ui)
    {
        private readonly List<Turn> _turns = [];
        private List<ChatMessage> _messages = Prompts.Conversation(system);
        private Turn? _last;

        public void Run()
        {
            while (Ask() is { } line)
            {
                if (line.Trim() == "/exit") break;
                if (line.Trim() == "/reset") Reset();
                else if (line.Trim() == "/options") ShowOptions();
                else if (line.StartsWith('/') && !line.Contains(' ')) ui.Log("commands: /options, /reset, /exit");
                else if (!string.IsNullOrWhiteSpace(line)) Answer(line);
            }
            ui.Result(new { turns = _turns });
        }

        private string? Ask()
        {
            if (ui.IsTerminal) ui.Write("> ");
            return ui.ReadLine();
        }

        private void Reset()
        {
            (_messages, _last) = (Prompts.Conversation(system), null);
            ui.Log("the conversation starts over");
        }

        private void Answer(string line)
        {
            List<ChatMessage> messages = [.. _messages, new ChatMessage("user", line)];
            int[] prompt = Prompts.Chat(session.Tokenizer, writer.Format, messages);
            if (prompt.Length >= session.Config.MaxPositions)
            {
                ui.Error($"the conversation has {prompt.Length} tokens and the model's context is {session.Config.MaxPositions}; /reset starts over");
                return;
            }
            WrittenText written = writer.Write(prompt, ui.Write, ui.Cancellation);
            ui.Line();
            _messages = [.. messages, new ChatMessage("assistant", written.Text)];
            _last = new Turn(line, written.Text, written.Tokens, written.Options, written.TokensPerSecond);
            _turns.Add(_last);
        }

        private void ShowOptions()
        {
            if (_last is null || _last.Options.Count == 0)
            {
                ui.Log(_last is null ? "there is no answer yet" : "the answer was made without options (see --ollm and --latent)");
                return;
            }
            ui.Line(string.Join(' ', _last.Tokens.Zip(_last.Options, (token, option) => $"{session.Tokenizer.TokenText(token)}/{option}")));
        }
    }
}
