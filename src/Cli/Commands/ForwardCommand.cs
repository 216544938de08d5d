using System.CommandLine;
using System.Runtime.InteropServices;
using OllmNative.Model;

namespace OllmNative.Cli.Commands;

/// <summary><c>ollm forward</c>: what the model computes for a list of tokens, written as tensors to compare or to study.</summary>
internal static class ForwardCommand
{
    // Rows that go through the layers, and through the head, at a time: enough to use the device, little enough to bound memory.
    private const int LayerRows = 512, HeadRows = 64;

    public static Command Create(Output ui)
    {
        var command = new Command("forward", "Write hidden states and logits of a list of tokens as safetensors.");
        var model = new ModelOptions(command);
        var tokens = new Option<string?>("--tokens") { Description = "Token ids, separated by commas.", HelpName = "IDS" };
        Option<string?> tokensFile = CommonOptions.OptionalPath("--tokens-file", "A text file with token ids; - reads stdin.");
        Option<string> output = CommonOptions.Path("--out", "The file to write: hidden [T, D] and logits [T, V]; with --ollm also policy_logits [T, K] and option_logits [T, K, V].");
        foreach (Option option in (Option[])[tokens, tokensFile, output]) command.Add(option);

        command.SetAction(parsed =>
        {
            string path = parsed.GetValue(output)!;
            (string source, int[] ids) = ReadTokens(parsed.GetValue(tokens), parsed.GetValue(tokensFile), ui);
            using ModelSession session = model.Open(parsed);
            TokenIds.Check(ids, session.Config, source);
            Files.PrepareFile("--out", path);
            List<TensorToWrite> tensors = Write(session, ids, path, ui);
            foreach (TensorToWrite tensor in tensors) ui.Log($"{tensor.Name} [{string.Join(", ", tensor.Shape)}] written to {path}");
            ui.Result(new { @out = path, tokens = ids.Length, tensors = tensors.ToDictionary(tensor => tensor.Name, tensor => tensor.Shape) });
        });
        return command;
    }

    private static (string Source, int[] Ids) ReadTokens(string? list, string? file, Output ui)
    {
        if (list is null == file is null) throw new OllmException("expected either --tokens or --tokens-file");
        if (list is not null) return ("--tokens", TokenIds.Parse(list, "--tokens"));
        if (file == "-") return ("stdin", TokenIds.Parse(ui.ReadInput(), "stdin"));
        try
        {
            SpecialFile.RefuseToReadAsInput(file!);
            return (file!, TokenIds.Parse(File.ReadAllText(file!), file!));
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new OllmException($"--tokens-file {file}: cannot be read ({error.Message}); expected a text file with token ids", error);
        }
    }

    private static List<TensorToWrite> Write(ModelSession session, int[] ids, string path, Output ui)
    {
        long rows = ids.Length, d = session.Config.HiddenSize, v = session.Config.VocabSize, k = session.Ollm?.Shape.Options ?? 0;
        using DeviceBuffer<float> hidden = session.Device.Allocate<float>(rows * d);
        using (Progress bar = ui.Progress("layers", rows)) RunLayers(session, ids, hidden, bar, ui.Cancellation);

        using Progress heads = ui.Progress("head", rows * (1 + k));
        var tensors = new List<TensorToWrite>
        {
            new("hidden", DType.F32, [rows, d], stream => stream.Write(MemoryMarshal.AsBytes<float>(hidden.View.ToArray()))),
            new("logits", DType.F32, [rows, v], stream => WriteLogits(session, hidden.View, stream, heads, ui.Cancellation)),
        };
        if (session.Ollm is { } ollm)
        {
            tensors.Add(new("policy_logits", DType.F32, [rows, k], stream => WritePolicyLogits(session.Device, ollm, hidden.View, stream)));
            tensors.Add(new("option_logits", DType.F32, [rows, k, v], stream => WriteOptionLogits(session, ollm, hidden.View, stream, heads, ui.Cancellation)));
        }
        SafetensorsWriter.Write(path, tensors);
        return tensors;
    }

    private static void RunLayers(ModelSession session, int[] ids, DeviceBuffer<float> hidden, Progress bar, CancellationToken cancellation)
    {
        int chunk = Math.Min(LayerRows, ids.Length), d = session.Config.HiddenSize;
        using var batch = new TokenBatch(session.Device, chunk);
        using var cache = new KvCache(session.Device, session.Config, ids.Length);
        using var buffers = new ForwardBuffers(session.Device, session.Config, chunk);
        for (int first = 0; first < ids.Length; first += chunk)
        {
            cancellation.ThrowIfCancellationRequested();
            int rows = Math.Min(chunk, ids.Length - first);
            batch.Clear();
            batch.Add(ids.AsSpan(first, rows), past: first, cacheRow: 0);
            batch.Upload();
            session.Backbone.Forward(batch, cache, buffers, hidden.View.Slice((long)first * d, (long)rows * d));
            bar.Report(first + rows);
        }
    }

    /// <summary>logits [T, V] = hidden [T, D] headᵀ, some rows at a time.</summary>
    private static void WriteLogits(ModelSession session, DeviceView<float> hidden, Stream stream, Progress bar, CancellationToken cancellation)
    {
        int d = session.Config.HiddenSize, v = session.Config.VocabSize;
        long count = hidden.Length / d;
        using DeviceBuffer<float> logits = session.Device.Allocate<float>(Math.Min(HeadRows, count) * v);
        var host = new float[logits.Length];
        for (long first = 0; first < count; first += HeadRows)
        {
            cancellation.ThrowIfCancellationRequested();
            long rows = Math.Min(HeadRows, count - first);
            session.Device.MatMul(hidden.Slice(first * d, rows * d), session.Backbone.Head, default, logits.First(rows * v));
            WriteRows(logits.First(rows * v), host, stream);
            bar.Report(first + rows);
        }
    }

    private static void WritePolicyLogits(ComputeDevice device, OllmModel ollm, DeviceView<float> hidden, Stream stream)
    {
        int d = ollm.Shape.HiddenSize, k = ollm.Shape.Options;
        long count = hidden.Length / d;
        using var policy = new Policy(device, ollm.Parameters, gradients: null, (int)Math.Min(HeadRows, count));
        using DeviceBuffer<float> logits = device.Allocate<float>(count * k);
        for (long first = 0; first < count; first += HeadRows)
        {
            long rows = Math.Min(HeadRows, count - first);
            policy.Forward(hidden.Slice(first * d, rows * d), logits.View.Slice(first * k, rows * k));
        }
        WriteRows(logits.View, new float[logits.Length], stream);
    }

    /// <summary>
    /// option_logits [T, K, V] = (h + b(h, z)) headᵀ: seen as T * K rows, row j is token j / K bent by option j % K.
    /// </summary>
    private static void WriteOptionLogits(
        ModelSession session, OllmModel ollm, DeviceView<float> hidden, Stream stream, Progress bar, CancellationToken cancellation)
    {
        ComputeDevice device = session.Device;
        int d = ollm.Shape.HiddenSize, k = ollm.Shape.Options, v = session.Config.VocabSize;
        long tokens = hidden.Length / d, count = tokens * k;
        int chunk = (int)Math.Min(HeadRows, count);
        using var decoder = new Decoder(device, ollm.Parameters, gradients: null, chunk);
        using DeviceBuffer<int> source = device.Allocate<int>(chunk);
        using DeviceBuffer<float> repeated = device.Allocate<float>((long)chunk * d), bent = device.Allocate<float>((long)chunk * d);
        using DeviceBuffer<float> z = device.Allocate<float>((long)chunk * k), logits = device.Allocate<float>((long)chunk * v);
        var host = new float[logits.Length];
        for (long first = 0; first < count; first += chunk)
        {
            cancellation.ThrowIfCancellationRequested();
            int rows = (int)Math.Min(chunk, count - first);
            var from = new int[rows];
            var oneHot = new float[rows * k];
            for (int i = 0; i < rows; i++)
            {
                from[i] = (int)((first + i) / k);
                oneHot[i * k + (int)((first + i) % k)] = 1;
            }
            source.First(rows).Upload(from);
            z.First(oneHot.Length).Upload(oneHot);
            device.GatherRows(hidden, source.First(rows), repeated.First((long)rows * d), d);
            decoder.Forward(repeated.First((long)rows * d), z.First(oneHot.Length), bent.First((long)rows * d));
            device.MatMul(bent.First((long)rows * d), session.Backbone.Head, default, logits.First((long)rows * v));
            WriteRows(logits.First((long)rows * v), host, stream);
            bar.Report(tokens + first + rows);
        }
    }

    private static void WriteRows(DeviceView<float> rows, float[] host, Stream stream)
    {
        Span<float> values = host.AsSpan(0, checked((int)rows.Length));
        rows.Download(values);
        stream.Write(MemoryMarshal.AsBytes(values));
    }
}
