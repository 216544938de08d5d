using System.CommandLine;
using OllmNative.Model;

namespace OllmNative.Cli.Commands;

/// <summary><c>ollm init</c>: a fresh OLLM for a backbone; it equals the backbone for every option until it is trained.</summary>
internal static class InitCommand
{
    public static Command Create(Output ui)
    {
        var command = new Command("init", "Make a fresh OLLM for a backbone.");
        var model = new ModelOptions(command, withOllm: false);
        Option<int> options = CommonOptions.Number("--options", "K, the number of options for each token.", 10, 1, 1024);
        Option<int?> width = CommonOptions.OptionalNumber("--latent-width", "m, the width inside the three modules; 7/3 of the hidden size by default.", 1, 1 << 20);
        Option<ulong> seed = CommonOptions.Seed("Names the random start.");
        Option<string> output = CommonOptions.Path("--out", "The folder to write.", "DIR");
        var force = new Option<bool>("--force") { Description = "Replace an OLLM that is there already." };
        foreach (Option option in (Option[])[options, width, seed, output, force]) command.Add(option);

        command.SetAction(parsed =>
        {
            string folder = parsed.GetValue(output)!;
            Files.RefuseExisting("--out", folder, parsed.GetValue(force), OllmManifest.FileName, "ollm.safetensors");
            using ModelSession session = model.Open(parsed);
            RefuseHuge(session.Config.HiddenSize, parsed.GetValue(width));
            using OllmModel ollm = OllmModel.Create(session.Backbone, parsed.GetValue(options), parsed.GetValue(width), parsed.GetValue(seed));
            Files.PrepareFolder("--out", folder);
            ollm.Save(folder);
            double share = (double)ollm.Shape.ParameterCount / session.Backbone.ParameterCount;
            ui.Log($"{ollm.Shape.Options} options, latent width {ollm.Shape.LatentWidth}: {Format.Count(ollm.Shape.ParameterCount)} parameters "
                + $"({Format.Percent(share)} of the backbone's) written to {folder}");
            ui.Result(new { @out = folder, options = ollm.Shape.Options, ollm.Shape.LatentWidth, parameters = ollm.Shape.ParameterCount, trainable_share = share });
        });
        return command;
    }

    /// <summary>One tensor is one array here; [m, 2d] is the largest.</summary>
    public static void RefuseHuge(int hidden, int? width)
    {
        if (width is { } m && 2L * m * hidden > Array.MaxLength)
            throw new OllmException($"--latent-width {m}: too wide for a hidden size of {hidden}, expected at most {Array.MaxLength / (2 * hidden)}");
    }
}
