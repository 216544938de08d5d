// Which runtime the kernels and their hosts are compiled against: ours, or the ILGPU package (-p:KernelRuntime=ILGPU).
#if ILGPU
global using ILGPU;
global using ILGPU.Algorithms;
global using ILGPU.Runtime;
global using ILGPU.Runtime.CPU;
#else
global using OllmNative.Runtime.Emulator;
global using OllmNative.Runtime.Language;
#endif
