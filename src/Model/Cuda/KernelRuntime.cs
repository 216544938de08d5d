// The runtime that kernels are launched on, and short names for what launches pass: as in src/Kernels, ours or the ILGPU package.
#if ILGPU
global using Floats = ILGPU.ArrayView<float>;
global using Ints = ILGPU.ArrayView<int>;
global using Words = ILGPU.ArrayView<ushort>;
global using Keys = ILGPU.ArrayView<ulong>;
global using Doubles = ILGPU.ArrayView<double>;
global using Launch = ILGPU.KernelConfig;
global using Queue = ILGPU.Runtime.AcceleratorStream;
#else
global using Doubles = OllmNative.Runtime.Language.ArrayView<double>;
global using Floats = OllmNative.Runtime.Language.ArrayView<float>;
global using Ints = OllmNative.Runtime.Language.ArrayView<int>;
global using Keys = OllmNative.Runtime.Language.ArrayView<ulong>;
global using Launch = OllmNative.Runtime.Language.KernelConfig;
global using Queue = OllmNative.Runtime.Language.AcceleratorStream;
global using Words = OllmNative.Runtime.Language.ArrayView<ushort>;
#endif
