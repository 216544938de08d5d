using OllmNative.Runtime.Emulator;
using OllmNative.Runtime.Language;

namespace OllmNative.Tests;

/// <summary>Views on the host side: parts, casts, strides, and their limits.</summary>
public sealed class EmulatorViewTests(EmulatorFixture emulator) : IClassFixture<EmulatorFixture>
{
    [Fact]
    public void SubView_OfASubView_CountsFromIt()
    {
        using var buffer = emulator.Buffer(10, 11, 12, 13, 14, 15);
        ArrayView<int> part = buffer.View.BaseView.SubView(1, 4).SubView(2);
        Assert.Equal([13, 14], part.GetAsArray());
        Assert.Throws<KernelException>(() => part[2]);
        Assert.Throws<KernelException>(() => part.SubView(1, 2));
        Assert.Throws<KernelException>(() => part.SubView(-1, 1));
    }

    [Fact]
    public void Cast_ToAWiderType_LeavesTheRestOut()
    {
        using var buffer = emulator.Buffer(1u, 2u, 3u);
        ArrayView<ulong> wide = buffer.View.BaseView.Cast<ulong>();
        Assert.Equal(1, wide.Length);
        Assert.Equal(1ul | 2ul << 32, wide[0]);
        Assert.Equal(12, buffer.View.BaseView.Cast<byte>().Length);
    }

    [Fact]
    public void TwoDimensions_EitherOrder_LiesWhereTheStrideSays()
    {
        using var buffer = emulator.Buffer(Enumerable.Range(0, 12).ToArray());
        ArrayView2D<int, Stride2D.DenseX> columns = buffer.View.As2DDenseXView(new LongIndex2D(3, 4));
        ArrayView2D<int, Stride2D.DenseY> rows = buffer.View.As2DDenseYView(new LongIndex2D(3, 4));
        Assert.Equal(2 + 3 * 3, columns[2, 3]);
        Assert.Equal(2 * 4 + 3, rows[2, 3]);
        Assert.Equal(rows[2, 1], rows.AsTransposed()[1, 2]);
        Assert.Equal(1 * 4 + 2, rows.SubView(new Index2D(1, 1), new Index2D(2, 2))[0, 1]);
        Assert.Throws<KernelException>(() => columns[3, 0]);
        Assert.Throws<KernelException>(() => rows[0, 4]);
        Assert.Throws<KernelException>(() => rows.SubView(new Index2D(1, 1), new Index2D(2, 4)));
    }

    [Fact]
    public void Copy_IntoTooSmallAView_IsRefused()
    {
        using var small = emulator.Zeros<int>(2);
        using var large = emulator.Zeros<int>(3);
        Assert.Throws<ArgumentException>(() => small.CopyFromCPU([1, 2, 3]));
        Assert.Throws<ArgumentException>(() => large.View.CopyTo(small.View));
        small.CopyFromCPU([4, 5]);
        small.View.CopyTo(large.View);
        Assert.Equal([4, 5, 0], large.GetAsArray1D());
    }

    private static void Order(ArrayView<int> order) => order[Atomic.Add(ref order[0], 1) + 1] = Grid.IdxX;

    [Fact]
    public void Sequential_Groups_RunInTheirOrder()
    {
        using Context context = Context.Create(builder => builder.CPU());
        using CPUAccelerator accelerator = context.CreateCPUAccelerator(0, CPUAcceleratorMode.Sequential);
        using var order = accelerator.Allocate1D(new int[33]);
        accelerator.LoadStreamKernel<ArrayView<int>>(Order)((32, 1), order.View);
        Assert.Equal(Enumerable.Range(0, 32), order.GetAsArray1D()[1..]);
    }

    [Fact]
    public void Context_PreferringTheEmulator_FindsIt()
    {
        using Context context = Context.CreateDefault();
        Assert.Equal(AcceleratorType.CPU, context.GetPreferredDevice(preferCPU: true).AcceleratorType);
        Assert.Equal(32, CPUDevice.Default.WarpSize);
    }
}
