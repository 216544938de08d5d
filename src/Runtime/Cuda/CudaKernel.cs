using OllmNative.Runtime.Language;

namespace OllmNative.Runtime.Cuda;

/// <summary>
/// A kernel on a GPU: one loaded function, or one for each combination of values where parameters are compiled in
/// (<see cref="SpecializedValue{T}"/>).
/// </summary>
internal sealed unsafe class CudaKernel : Kernel
{
    private readonly CudaAccelerator _gpu;
    private readonly ParameterLayout _parameters;
    private readonly CudaFunction? _only;
    private readonly List<(ulong[] Values, CudaFunction Function)> _versions = [];
    private int _preferredGroupSize;

    public CudaKernel(CudaAccelerator accelerator, KernelEntry entry) : base(accelerator, entry)
    {
        _gpu = accelerator;
        _parameters = new ParameterLayout(entry.Method);
        if (_parameters.Constants.Length == 0) _only = accelerator.Kernels.Load(entry, new Dictionary<int, object>(), _parameters);
    }

    // 256 threads fill a multiprocessor of every generation; a kernel with many registers may want fewer.
    internal override int PreferredGroupSize => _preferredGroupSize > 0 ? _preferredGroupSize
        : _preferredGroupSize = _only is null ? base.PreferredGroupSize : Math.Min(base.PreferredGroupSize, _only.PotentialGroupSize());

    protected internal override void Launch<TArguments>(AcceleratorStream stream, in KernelConfig config, in TArguments arguments)
    {
        CudaStream own = _gpu.Own(stream);
        ulong* words = stackalloc ulong[_parameters.Words + 1];
        void** pointers = stackalloc void*[_parameters.Passed + 1];
        var block = new ParameterBlock(_gpu, words);
        arguments.Write(ref block);
        CudaFunction function = _only ?? Version(words, arguments);
        _parameters.Point(words, pointers);
        function.Launch(own, config, pointers);
    }

    private CudaFunction Version<TArguments>(ulong* words, in TArguments arguments) where TArguments : struct, IKernelArguments
    {
        lock (_versions)
        {
            foreach ((ulong[] values, CudaFunction known) in _versions)
                if (Matches(values, words)) return known;
            CudaFunction made = _gpu.Kernels.Load(Entry, Constants(arguments), _parameters);
            _versions.Add(([.. _parameters.ConstantWords.Select(word => words[word])], made));
            return made;
        }
    }

    private bool Matches(ulong[] values, ulong* words)
    {
        for (int i = 0; i < values.Length; i++)
            if (values[i] != words[_parameters.ConstantWords[i]]) return false;
        return true;
    }

    private Dictionary<int, object> Constants<TArguments>(in TArguments arguments) where TArguments : struct, IKernelArguments
    {
        var all = new List<object>();
        var collector = new ArgumentCollector(all);
        arguments.Write(ref collector);
        return _parameters.Constants.ToDictionary(index => index, index => all[index]);
    }

    protected override void Dispose(bool disposing)
    {
        _only?.Dispose();
        lock (_versions)
        {
            foreach ((_, CudaFunction function) in _versions) function.Dispose();
            _versions.Clear();
        }
        base.Dispose(disposing);
    }
}
