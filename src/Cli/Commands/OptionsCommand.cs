using System.CommandLine;
using OllmNative.Model;
using OllmNative.Training;

namespace OllmNative.Cli.Commands;

/// <summary><c>ollm options</c>: what each option would say, token by token (the paper's Appendix C).</summary>
internal static class OptionsCommand
{
    public static Command Create(Output ui)
    {
        var command = new Command("options", "Show for each token the K options: their top tokens and probabilities, and the policy's choice.");
        var model = new ModelOptions(command, ollmRequired: true, withQuantize: true);
        var prompt = new Option<string?>("--prompt") { Description = "The prompt; without it all of stdin is read.", HelpName = "TEXT" };
        var chat = new Option<bool>("--chat") { Description = "The prompt is a user's message: write it in the chat format." };
        Option<string> chatFormat = CommonOptions.ChatFormat();
        Option<int> steps = CommonOptions.Number("--steps", "Tokens to show, as far as the context and the text go.", 16, 1, int.MaxValue);
        Option<LatentSetting?> latent = LatentSetting.Flag(withBackbone: false);
        Option<ulong> seed = CommonOptions.Seed("Names the draws of --latent sample.");
        Option<string?> html = CommonOptions.OptionalPath("--html", "Also write the steps as a page.");
        foreach (Option option in (Option[])[prompt, chat, chatFormat, steps, latent, seed, html]) command.Add(option);

        command.SetAction(parsed =>
        {
            string? given = parsed.GetValue(prompt), page = parsed.GetValue(html);
            string text = given ?? ui.ReadInput();
            if (page is not null) Files.PrepareFile("--html", page);
            using ModelSession session = model.Open(parsed);
            ChatFormat format = CommonOptions.ChatFormatOf(parsed.GetValue(chatFormat)!, session);
            LatentSetting setting = LatentSetting.Resolve(parsed.GetValue(latent), session.Ollm);
            int[] ids = parsed.GetValue(chat)
                ? Prompts.Chat(session.Tokenizer, format, Prompts.Conversation(null, given ?? text.TrimEnd('\r', '\n')))
                : Prompts.Raw(session.Tokenizer, text);
            List<ExploredStep> explored = Explore(session, ids, format, parsed.GetValue(steps), setting, parsed.GetValue(seed), ui);
            Print(session.Tokenizer, explored, ui);
            if (page is not null) WritePage(session.Tokenizer, explored, text, page, ui);
        });
        return command;
    }

    private static List<ExploredStep> Explore(ModelSession session, int[] prompt, ChatFormat format, int steps, LatentSetting setting, ulong seed, Output ui)
    {
        IReadOnlyList<int> stopTokens = new RowEncoder(session.Config, session.Tokenizer, format).StopTokens;
        int capacity = (int)Math.Min(session.Config.MaxPositions, (long)prompt.Length + steps);
        Func<float[], int, int>? choose = setting.Choice switch
        {
            LatentChoice.Sample => (pi, step) => Generator.DrawOption(pi, seed, step),
            LatentChoice.Force => (_, _) => setting.Option,
            _ => null,
        };
        using var explorer = new OptionExplorer(session.Backbone, session.Ollm!, capacity, session.Tokenizer.VocabularySize);
        return [.. explorer.Run(prompt, steps, stopTokens, choose, ui.Cancellation)];
    }

    private static void Print(Tokenizer tokenizer, List<ExploredStep> steps, Output ui)
    {
        var rows = new List<string[]>();
        var chosen = new List<bool>();
        foreach ((int index, ExploredStep step) in steps.Index())
        {
            for (int k = 0; k < step.Options.Count; k++)
            {
                ExploredOption option = step.Options[k];
                rows.Add([
                    k == 0 ? $"{index + 1}" : "", $"{k}", k == step.Chosen ? "*" : "", tokenizer.TokenText(option.Token), Format.Percent(option.Probability),
                    Format.Percent(option.PolicyProbability),
                ]);
                chosen.Add(k == step.Chosen);
            }
        }
        ui.Table(["step", "option", "chosen", "top token", "probability", "policy"], rows, index => chosen[index], 0, 1, 4, 5);
        string text = tokenizer.Decode([.. steps.Select(step => step.Token)], skipSpecial: true);
        ui.Line(Output.Shown(text, keepLines: true));
        ui.Result(new
        {
            text,
            steps = steps.Select((step, index) => new
            {
                step = index + 1,
                token = step.Token,
                text = tokenizer.TokenText(step.Token),
                chosen = step.Chosen,
                options = step.Options.Select((option, k) => new
                {
                    option = k,
                    token = option.Token,
                    text = tokenizer.TokenText(option.Token),
                    probability = option.Probability,
                    policy_probability = option.PolicyProbability,
                }),
            }),
        });
    }

    private static void WritePage(Tokenizer tokenizer, List<ExploredStep> steps, string prompt, string path, Output ui)
    {
        var page = new ReportPage("Options, token by token");
        page.AddText($"Prompt: {prompt}");
        page.AddOptionSteps(
            "What each option would say",
            [
                .. steps.Select(step => new OptionStep(
                    tokenizer.TokenText(step.Token),
                    [.. step.Options.Select(option => new OptionChoice(tokenizer.TokenText(option.Token), option.Probability, option.PolicyProbability))],
                    step.Chosen)),
            ]);
        page.Save(path);
        ui.Log($"page written to {path}");
    }
}
