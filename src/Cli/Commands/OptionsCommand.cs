using System.CommandLine;
using OllmNative.Model;
using OllmNative.Training;
using Spectre.Console;

namespace OllmNative.Cli.Commands;

/// <summary><c>ollm options</c>: what each option would say, token by token (the paper's Appendix C).</summary>
internal static class OptionsCommand
{
    private static readonly Color[] Colours = [Color.Green, Color.Yellow, Color.Aqua, Color.Fuchsia, Color.Orange1, Color.SkyBlue1, Color.Grey];

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
        Option<int> tree = CommonOptions.Number("--tree", "Also expand the distinct options to this depth, the likeliest first; 0 does not.", 0, 0, 24);
        Option<int> treeNodes = CommonOptions.Number("--tree-nodes", "Most nodes of the tree.", 200, 1, 100_000);
        Option<string?> html = CommonOptions.OptionalPath("--html", "Also write the steps as a page.");
        foreach (Option option in (Option[])[prompt, chat, chatFormat, steps, latent, seed, tree, treeNodes, html]) command.Add(option);

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
            IReadOnlyList<int> stopTokens = new RowEncoder(session.Config, session.Tokenizer, format).StopTokens;
            int count = parsed.GetValue(steps), depth = parsed.GetValue(tree);
            int capacity = (int)Math.Min(session.Config.MaxPositions, (long)ids.Length + Math.Max(count, depth));
            using var explorer = new OptionExplorer(session.Backbone, session.Ollm!, capacity, session.Tokenizer.VocabularySize);
            List<ExploredStep> explored = [.. explorer.Run(ids, count, stopTokens, setting.Choice, setting.Option, parsed.GetValue(seed), ui.Cancellation)];
            OptionTreeText? grown = depth == 0
                ? null
                : new OptionTreeText(OptionTree.Grow(explorer, ids, Math.Min(depth, capacity - ids.Length), parsed.GetValue(treeNodes), stopTokens, ui.Cancellation), session.Tokenizer);
            Print(session.Tokenizer, explored, grown, ui);
            if (page is not null) WritePage(session.Tokenizer, explored, grown, text, page, ui);
        });
        return command;
    }

    private static void Print(Tokenizer tokenizer, List<ExploredStep> steps, OptionTreeText? tree, Output ui)
    {
        var rows = new List<string[]>();
        var styles = new List<Style>();
        foreach ((int index, ExploredStep step) in steps.Index())
        {
            // One colour for each different token, the chosen one's first.
            int[] tokens = [.. step.Options.Select(option => option.Token).Prepend(step.Token).Distinct()];
            for (int k = 0; k < step.Options.Count; k++)
            {
                ExploredOption option = step.Options[k];
                bool chosen = k == step.Chosen;
                rows.Add([
                    k == 0 ? $"{index + 1}" : "", $"{k}", chosen ? "*" : "", tokenizer.TokenText(option.Token), Format.Percent(option.Probability),
                    Format.Percent(option.PolicyProbability),
                ]);
                styles.Add(new Style(Colours[Array.IndexOf(tokens, option.Token) % Colours.Length], decoration: chosen ? Decoration.Bold : Decoration.None));
            }
        }
        ui.Table(["step", "option", "chosen", "top token", "probability", "policy"], rows, index => styles[index], 0, 1, 4, 5);
        string text = tokenizer.Decode([.. steps.Select(step => step.Token)], skipSpecial: true);
        ui.Line(Output.Shown(text, keepLines: true));
        foreach (string line in tree?.Lines() ?? []) ui.Line(line);
        ui.Result(new
        {
            text,
            steps = steps.Select((step, index) => new
            {
                step = index + 1,
                token = step.Token,
                text = tokenizer.TokenText(step.Token),
                chosen = step.Chosen,
                distinct_tokens = step.Options.Select(option => option.Token).Distinct().Count(),
                options = step.Options.Select((option, k) => new
                {
                    option = k,
                    token = option.Token,
                    text = tokenizer.TokenText(option.Token),
                    probability = option.Probability,
                    policy_probability = option.PolicyProbability,
                }),
            }),
            tree = tree?.Json(),
        });
    }

    private static void WritePage(Tokenizer tokenizer, List<ExploredStep> steps, OptionTreeText? tree, string prompt, string path, Output ui)
    {
        var page = new ReportPage("Options, token by token");
        page.AddText($"Prompt: {prompt}");
        page.AddText($"Chosen path: {tokenizer.Decode([.. steps.Select(step => step.Token)], skipSpecial: true)}");
        page.AddOptionSteps(
            "What each option would say",
            [
                .. steps.Select(step => new OptionStep(
                    tokenizer.TokenText(step.Token),
                    [.. step.Options.Select(option => new OptionChoice(tokenizer.TokenText(option.Token), option.Probability, option.PolicyProbability))],
                    step.Chosen)),
            ]);
        if (tree is not null) page.AddTree("Where the options lead", OptionTreeText.Hint, tree.Nodes());
        page.Save(path);
        ui.Log($"page written to {path}");
    }
}
