using System.CommandLine;
using OllmNative.Model;

namespace OllmNative.Cli.Commands;

/// <summary><c>ollm tokenize</c>: text to token ids, and back with --decode.</summary>
internal static class TokenizeCommand
{
    public static Command Create(Output ui)
    {
        Option<string> model = CommonOptions.Path("--model", "A folder with tokenizer.json.", "DIR");
        var text = new Option<string?>("--text") { Description = "The input; without it stdin is read, every byte of it (a final line break too).", HelpName = "TEXT" };
        var decode = new Option<bool>("--decode") { Description = "The input is token ids, separated by spaces or commas; print their text." };
        var noSpecial = new Option<bool>("--no-special") { Description = "Added tokens such as <|im_end|> are plain text in the input; with --decode they are left out." };

        var command = new Command("tokenize", "Text to token ids on one line, or ids to text.") { model, text, decode, noSpecial };
        command.SetAction(parsed =>
        {
            string folder = parsed.GetValue(model)!;
            if (!Path.Exists(folder)) throw new OllmException($"--model {folder}: no such folder");
            Tokenizer tokenizer = Tokenizer.Load(folder);
            string? given = parsed.GetValue(text);
            string input = given ?? ui.ReadInput();
            bool special = !parsed.GetValue(noSpecial);
            if (parsed.GetValue(decode)) Decode(tokenizer, TokenIds.Parse(input, given is null ? "stdin" : "--text"), skipSpecial: !special, ui);
            else Encode(tokenizer, input, special, ui);
        });
        return command;
    }

    private static void Encode(Tokenizer tokenizer, string text, bool allowSpecial, Output ui)
    {
        int[] ids = tokenizer.Encode(text, allowSpecial);
        ui.Line(string.Join(' ', ids));
        ui.Result(new { tokens = ids, count = ids.Length });
    }

    private static void Decode(Tokenizer tokenizer, int[] ids, bool skipSpecial, Output ui)
    {
        string text = tokenizer.Decode(ids, skipSpecial);
        // Exactly the text, so that encoding and decoding in a pipe gives the input back; a prompt must not stick to it, though.
        ui.Write(ui.IsTerminal && !text.EndsWith('\n') ? text + "\n" : text);
        ui.Result(new { text, count = ids.Length });
    }
}
