using OllmNative.Model;

namespace OllmNative.Cli;

/// <summary>A model ready to run: the device, the backbone on it and, when asked for, its OLLM; tokenizer and chat format on demand.</summary>
internal sealed class ModelSession : IDisposable
{
    private readonly Lazy<Tokenizer> _tokenizer;
    private readonly Lazy<ChatFormat> _chatFormat;

    private ModelSession(string folder, ComputeDevice device, QwenBackbone backbone)
    {
        (Folder, Device, Backbone) = (folder, device, backbone);
        _tokenizer = new Lazy<Tokenizer>(() => Tokenizer.Load(folder));
        _chatFormat = new Lazy<ChatFormat>(() => ChatFormat.Detect(folder));
    }

    /// <summary>The model's folder.</summary>
    public string Folder { get; }

    /// <summary>Where it runs.</summary>
    public ComputeDevice Device { get; }

    /// <summary>The backbone.</summary>
    public QwenBackbone Backbone { get; }

    /// <summary>config.json.</summary>
    public ModelConfig Config => Backbone.Config;

    /// <summary>The OLLM of --ollm; null when none was given.</summary>
    public OllmModel? Ollm { get; private set; }

    /// <summary>The folder's tokenizer, read at first use.</summary>
    /// <exception cref="OllmException">There is none, or it is malformed.</exception>
    public Tokenizer Tokenizer => _tokenizer.Value;

    /// <summary>The folder's chat format, found at first use.</summary>
    /// <exception cref="OllmException">tokenizer_config.json is malformed.</exception>
    public ChatFormat ChatFormat => _chatFormat.Value;

    /// <summary>Opens device, backbone and OLLM.</summary>
    /// <param name="model">The backbone's folder.</param>
    /// <param name="ollm">The OLLM's folder, or null.</param>
    /// <param name="device">One of <see cref="DeviceChoice.Names"/>.</param>
    /// <param name="threads">Processor threads; 0 takes one for each core.</param>
    /// <param name="format">How the backbone's matrices are held.</param>
    /// <param name="number">Number of this process among those on the machine; each takes a GPU of its own.</param>
    /// <exception cref="OllmException">The device is not there, or a folder is missing, malformed or does not fit.</exception>
    public static ModelSession Open(
        string model, string? ollm = null, string device = "auto", int threads = 0, WeightFormat format = WeightFormat.AsStored, int number = 0)
    {
        if (!Directory.Exists(model)) throw new OllmException($"--model {model}: no such folder");
        if (ollm is not null && !Directory.Exists(ollm)) throw new OllmException($"--ollm {ollm}: no such folder");
        ComputeDevice compute = ProfiledDevice.Wrap(OpenDevice(device, threads, number));
        QwenBackbone? backbone = null;
        try
        {
            backbone = QwenBackbone.Load(compute, model, format);
            var session = new ModelSession(model, compute, backbone);
            if (ollm is not null) session.Ollm = OllmModel.Load(backbone, ollm);
            return session;
        }
        catch
        {
            backbone?.Dispose();
            compute.Dispose();
            throw;
        }
    }

    /// <summary>Hands the OLLM of --ollm over to the caller, who disposes of it; null when none was given.</summary>
    public OllmModel? TakeOllm()
    {
        OllmModel? ollm = Ollm;
        Ollm = null;
        return ollm;
    }

    /// <summary>The device of --device and --threads.</summary>
    /// <exception cref="OllmException">It is not there.</exception>
    public static ComputeDevice OpenDevice(string device, int threads, int number = 0) => DeviceChoice.Open(device, threads, number, line => Console.Error.WriteLine($"warning: {line}"));

    /// <inheritdoc/>
    public void Dispose()
    {
        Ollm?.Dispose();
        Backbone.Dispose();
        Device.Dispose();
    }
}
