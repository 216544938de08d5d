using System.Runtime.InteropServices;
using OllmNative.Kernels;

namespace OllmNative.Model;

/// <summary>One option of a step.</summary>
/// <param name="Token">The likeliest token under the option.</param>
/// <param name="Probability">Its probability.</param>
/// <param name="PolicyProbability">How likely the policy is to take the option.</param>
public readonly record struct ExploredOption(int Token, float Probability, float PolicyProbability);

/// <summary>A generated token and what the other options would have said.</summary>
/// <param name="Token">The token that the chosen option gave.</param>
/// <param name="Chosen">The chosen option.</param>
/// <param name="Options">All K options.</param>
public sealed record ExploredStep(int Token, int Chosen, IReadOnlyList<ExploredOption> Options);

/// <summary>
/// Generates one sequence and shows all K options of every token at the price of one: the backbone runs once, the decoder
/// bends K copies of its hidden state, and the head reads its weights once for all of them (the paper's Appendix C). A text that goes on
/// token by token is a <see cref="DecodeEngine"/>'s, whose steps need no host on a GPU; <see cref="After"/> looks at any sequence.
/// </summary>
public sealed class OptionExplorer : IDisposable
{
    private readonly QwenBackbone _backbone;
    private readonly OllmModel _ollm;
    private readonly ComputeDevice _device;
    private readonly DeviceMatrix _head;
    private readonly Policy _policy;
    private readonly Decoder _decoder;
    private readonly KvCache _cache;
    private readonly TokenBatch _batch;
    private readonly ForwardBuffers _buffers;
    private readonly OptionRows _options;
    private readonly DeviceBuffer<float> _hidden, _policyLogits, _bent, _logits, _facts;
    private readonly DeviceBuffer<int> _tops;
    private readonly int _d, _k, _vocab, _capacity;
    private readonly float[] _pi, _hostFacts;
    private readonly int[] _hostTops;
    private readonly List<int> _cached = [];
    private DecodeEngine? _engine;

    /// <summary>Allocates for a sequence of up to <paramref name="capacity"/> tokens; ids from <paramref name="vocabulary"/> on are never generated.</summary>
    public OptionExplorer(QwenBackbone backbone, OllmModel ollm, int capacity, int vocabulary = int.MaxValue)
    {
        ArgumentNullException.ThrowIfNull(backbone);
        ArgumentNullException.ThrowIfNull(ollm);
        (_backbone, _ollm, _device, _capacity) = (backbone, ollm, backbone.Device, capacity);
        (_d, _k, _vocab) = (ollm.Shape.HiddenSize, ollm.Shape.Options, Math.Min(vocabulary, backbone.Config.VocabSize));
        _head = _device.FirstRows(backbone.DecodeHead, _vocab);
        _policy = new Policy(_device, ollm.Parameters, null, 1);
        _decoder = new Decoder(_device, ollm.Parameters, null, _k);
        int rows = Math.Min(512, capacity);
        (_cache, _batch, _buffers) = (new KvCache(_device, backbone.Config, capacity), new TokenBatch(_device, rows), new ForwardBuffers(_device, backbone.Config, rows));
        DeviceBuffer<float> Floats(long length) => _device.Allocate<float>(length);
        (_hidden, _policyLogits) = (Floats((long)rows * _d), Floats(_k));
        (_bent, _logits) = (Floats((long)_k * _d), Floats((long)_k * _vocab));
        _options = new OptionRows(_device, _d, _k, 1);
        (_facts, _tops) = (Floats(_k * RowScores.Facts), _device.Allocate<int>(_k));
        (_pi, _hostFacts, _hostTops) = (new float[_k], new float[_k * RowScores.Facts], new int[_k]);
    }

    /// <summary>Generates up to <paramref name="maxTokens"/> tokens, each the likeliest under the step's option. One run at a time.</summary>
    /// <param name="prompt">Token ids, at least one.</param>
    /// <param name="maxTokens">Most tokens.</param>
    /// <param name="stopTokens">Tokens that end the text; the one that did is the last step.</param>
    /// <param name="latent">Who chooses the option of each step; not <see cref="LatentChoice.Backbone"/>.</param>
    /// <param name="option">The option for <see cref="LatentChoice.Force"/>.</param>
    /// <param name="seed">Names the draws of <see cref="LatentChoice.Sample"/>.</param>
    /// <param name="cancellation">Ends the run between two steps.</param>
    /// <exception cref="OllmException">The prompt is empty or longer than the capacity, or there is no such option.</exception>
    /// <exception cref="ArgumentException">Nobody would choose.</exception>
    public IEnumerable<ExploredStep> Run(
        IReadOnlyList<int> prompt, int maxTokens, IReadOnlyList<int> stopTokens, LatentChoice latent = LatentChoice.Policy, int option = 0, ulong seed = 0,
        CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        ArgumentNullException.ThrowIfNull(stopTokens);
        if (latent == LatentChoice.Backbone) throw new ArgumentException("every step has an option", nameof(latent));
        CheckPrompt(prompt);
        var request = new GenerationRequest
        {
            Prompt = [.. prompt], MaxTokens = maxTokens, StopTokens = stopTokens, Latent = latent, ForcedOption = option, Seed = seed, Explain = true,
        };
        // The last token of a full sequence is not read any more, so there is room for one more than that.
        _engine ??= new DecodeEngine(_backbone, _ollm, new DecodeEngineOptions { Slots = 1, Capacity = _capacity + 1, Vocabulary = _vocab, ExplainSlots = 1 });
        _engine.Check(request);
        return Steps(_engine, request, cancellation);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        IDisposable[] owned = [_policy, _decoder, _cache, _batch, _buffers, _options, _hidden, _policyLogits, _bent, _logits, _facts, _tops];
        foreach (IDisposable item in owned) item.Dispose();
        _engine?.Dispose();
    }

    /// <summary>Refuses prompts that cannot be explored.</summary>
    internal void CheckPrompt(IReadOnlyList<int> prompt)
    {
        if (prompt.Count == 0) throw new OllmException("the prompt is empty: expected at least one token");
        if (prompt.Count >= _capacity) throw new OllmException($"the prompt has {prompt.Count} tokens, but there is room for {_capacity} in all");
    }

    /// <summary>
    /// The K options after a sequence, of at most the capacity; only what follows the longest beginning that it has in common with
    /// the sequence before is computed.
    /// </summary>
    internal IReadOnlyList<ExploredOption> After(ReadOnlySpan<int> sequence)
    {
        int kept = Math.Min(sequence.CommonPrefixLength(CollectionsMarshal.AsSpan(_cached)), sequence.Length - 1);
        _cached.RemoveRange(kept, _cached.Count - kept);
        while (_cached.Count < sequence.Length)
        {
            ReadOnlySpan<int> piece = sequence.Slice(_cached.Count, Math.Min(_batch.Capacity, sequence.Length - _cached.Count));
            _batch.Clear();
            _batch.Add(piece, _cached.Count, 0);
            _batch.Upload();
            _backbone.Forward(_batch, _cache, _buffers, _hidden.First((long)_batch.Rows * _d));
            _cached.AddRange(piece);
        }
        return Explore(_hidden.View.Slice((long)(_batch.Rows - 1) * _d, _d));
    }

    private static IEnumerable<ExploredStep> Steps(DecodeEngine engine, GenerationRequest request, CancellationToken cancellation)
    {
        engine.Clear();
        engine.Add(request);
        for (int told = 0; engine.Active > 0;)
        {
            cancellation.ThrowIfCancellationRequested();
            engine.Step();
            for (; told < request.Explained.Count; told++)
            {
                ExplainedToken token = request.Explained[told];
                yield return new ExploredStep(request.Generated[told], token.Option!.Value, token.Options);
            }
        }
    }

    /// <summary>All options for the hidden state h [D].</summary>
    private ExploredOption[] Explore(DeviceView<float> hidden)
    {
        _policy.Forward(hidden, _policyLogits.View);
        _device.Softmax(_policyLogits.View, _policyLogits.View, _k);
        _policyLogits.Download(0, _pi);
        _decoder.Forward(_options.Expand(hidden), _options.Choices(1), _bent.View);          // h' [K, D]
        _device.MatMul(_bent.View, _head, default, _logits.View);                            //    [K, V]
        _device.ScoreTokens(_logits.View, default, _tops.View, _facts.View, _vocab);
        _tops.Download(0, _hostTops);
        _facts.Download(0, _hostFacts);
        return RowScores.Options(_hostTops, _hostFacts, _pi);
    }
}
