#if !ILGPU
using OllmNative.Kernels;
using OllmNative.Runtime.Cuda;
using OllmNative.Runtime.Language;

namespace OllmNative.Model.Cuda;

/// <summary>Products whose results have fewer tiles than the chip has multiprocessors: K is cut into parts.</summary>
public sealed partial class CudaDevice
{
    private Action<Queue, Launch, Floats, ProductTask>? _splitSums;
    private CudaBuffer<float>? _parts;

    private int Multiprocessors => _options.Multiprocessors is { } few ? few : _accelerator is CudaAccelerator ? _accelerator.NumMultiprocessors : TileChoice.UsualMultiprocessors;

    /// <summary>Whether a product can be cut, and gains multiprocessors by it.</summary>
    private bool Splittable(in ProductTask task) =>
        task.Rounded.Length == 0 && (task.N0 | task.N1 | task.N2) % 4 == 0 && TileChoice.Parts(Size(ProductForm.Forward, task), Multiprocessors) > 1
        && OnQuads(task.Output0) && OnQuads(task.Output1) && OnQuads(task.Output2) && OnQuads(task.Bias0) && OnQuads(task.Bias1) && OnQuads(task.Bias2);

    private static bool OnQuads(Floats view) => view.Length == 0 || view.LoadEffectiveAddressAsPtr() % 16 == 0;

    /// <summary>Each part's sums to scratch memory, then all of them together into the outputs.</summary>
    private void LaunchSplit(in Operands operands, in ProductTask task)
    {
        int parts = TileChoice.Parts(Size(ProductForm.Forward, task), Multiprocessors);
        long of0 = (long)parts * task.M * task.N0, of1 = (long)parts * task.M * task.N1, of2 = (long)parts * task.M * task.N2;
        Floats sums = Scratch(ref _parts, of0 + of1 + of2).Write(0, of0 + of1 + of2);
        var cut = new ProductTask { M = task.M, K = task.K, N0 = task.N0, N1 = task.N1, N2 = task.N2, Splits = parts, Output0 = sums.SubView(0, of0) };
        if (of1 > 0) cut.Output1 = sums.SubView(of0, of1);
        if (of2 > 0) cut.Output2 = sums.SubView(of0 + of1, of2);
        LaunchWgmma(ProductTile.WgmmaNarrow, ProductForm.Forward, operands, cut);
        ProductTask whole = task;
        whole.Splits = parts;
        (_splitSums ??= _accelerator.LoadKernel<Floats, ProductTask>(SplitSums.Forward))(_queue, SplitSums.Config(whole), sums, whole);
    }
}
#endif
