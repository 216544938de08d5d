#!/usr/bin/env python3
"""Writes KernelLoaders*.cs, KernelArguments*.cs and Accelerator.Launch*.cs, one overload for each number of kernel arguments, 1 to 14,
and ArrayViewExtensions.Arrays.cs, one for each stride."""
import pathlib

HERE = pathlib.Path(__file__).parent
NOTE = "// Written by make_loaders.py; change that instead.\n"


def names(n):
    return ", ".join(f"T{i}" for i in range(1, n + 1))


def structs(n, indent):
    parts = [" ".join(f"where T{i} : struct" for i in range(a, min(a + 5, n + 1))) for a in range(1, n + 1, 5)]
    return "".join(f"\n{indent}{p}" for p in parts)


def arguments(n, indexed):
    t = ("TIndex, " if indexed else "") + names(n)
    name = "IndexedArguments" if indexed else "Arguments"
    fields = [f"Action<{t}> action"] + (["TIndex extent"] if indexed else []) + [f"T{i} a{i}" for i in range(1, n + 1)]
    values = ", ".join(f"a{i}" for i in range(1, n + 1))
    index = "\n    where TIndex : struct, IIndex" if indexed else ""
    if indexed:
        invoke = ("        if (ThreadIndex.Inside(extent, out TIndex index)) action(index, %s);" % values)
    else:
        invoke = f"        action({values});"
    writes = (["        sink.Add(extent);"] if indexed else []) + [f"        sink.Add(a{i});" for i in range(1, n + 1)]
    return f"""
internal readonly struct {name}<{t}>(
    {", ".join(fields)}) : IKernelArguments{index}{structs(n, "    ")}
{{
    public int Count => {n + indexed};

    public void Invoke()
    {{
{invoke}
    }}

    public void Write<TSink>(ref TSink sink) where TSink : struct, IArgumentSink
    {{
{chr(10).join(writes)}
    }}
}}
"""


def explicit_loader(n):
    t = names(n)
    where = structs(n, "        ")
    pars = ", ".join(f"a{i}" for i in range(1, n + 1))
    return f"""
    public static Action<AcceleratorStream, KernelConfig, {t}> LoadKernel<{t}>(
        this Accelerator accelerator, Action<{t}> action){where} =>
        LoadKernel(accelerator, action, KernelSpecialization.Empty);

    public static Action<AcceleratorStream, KernelConfig, {t}> LoadKernel<{t}>(
        this Accelerator accelerator, Action<{t}> action, KernelSpecialization specialization){where}
    {{
        Kernel kernel = Load(accelerator, action, IndexType.KernelConfig, 0, specialization);
        return kernel.For<Action<AcceleratorStream, KernelConfig, {t}>>(
            (stream, config, {pars}) => kernel.Launch(stream, config, new Arguments<{t}>(action, {pars})));
    }}

    public static Action<KernelConfig, {t}> LoadStreamKernel<{t}>(
        this Accelerator accelerator, Action<{t}> action){where} =>
        LoadStreamKernel(accelerator, action, KernelSpecialization.Empty);

    public static Action<KernelConfig, {t}> LoadStreamKernel<{t}>(
        this Accelerator accelerator, Action<{t}> action, KernelSpecialization specialization){where}
    {{
        Kernel kernel = Load(accelerator, action, IndexType.KernelConfig, 0, specialization);
        return kernel.For<Action<KernelConfig, {t}>>(
            (config, {pars}) => kernel.Launch(accelerator.DefaultStream, config, new Arguments<{t}>(action, {pars})));
    }}
"""


def indexed_loader(n):
    t = names(n)
    where = "\n        where TIndex : struct, IIndex" + structs(n, "        ")
    pars = ", ".join(f"a{i}" for i in range(1, n + 1))
    text = ""
    for kind, size, given in (("AutoGrouped", "", "0"), ("ImplicitlyGrouped", ", int customGroupSize", "customGroupSize")):
        text += f"""
    public static Action<AcceleratorStream, TIndex, {t}> Load{kind}Kernel<TIndex, {t}>(
        this Accelerator accelerator, Action<TIndex, {t}> action{size}){where}
    {{
        Kernel kernel = Load(accelerator, action, ThreadIndex.Kind<TIndex>(), {given}, KernelSpecialization.Empty);
        return kernel.For<Action<AcceleratorStream, TIndex, {t}>>((stream, extent, {pars}) => kernel.LaunchIndexed(
            stream, ThreadIndex.ToExtent(extent), new IndexedArguments<TIndex, {t}>(action, extent, {pars})));
    }}

    public static Action<TIndex, {t}> Load{kind}StreamKernel<TIndex, {t}>(
        this Accelerator accelerator, Action<TIndex, {t}> action{size}){where}
    {{
        var load = Load{kind}Kernel(accelerator, action{', customGroupSize' if size else ''});
        return load.GetKernel().For<Action<TIndex, {t}>>((extent, {pars}) => load(accelerator.DefaultStream, extent, {pars}));
    }}
"""
    return text


def explicit_info(n):
    t, where, text = names(n), structs(n, "        "), ""
    for name, given in (("LoadKernel", "AcceleratorStream, KernelConfig"), ("LoadStreamKernel", "KernelConfig")):
        text += f"""
    public static Action<{given}, {t}> {name}<{t}>(
        this Accelerator accelerator, Action<{t}> action, out KernelInfo kernelInfo){where} =>
        {name}(accelerator, action, KernelSpecialization.Empty, out kernelInfo);

    public static Action<{given}, {t}> {name}<{t}>(
        this Accelerator accelerator, Action<{t}> action, KernelSpecialization specialization, out KernelInfo kernelInfo){where} =>
        KernelInfo.Of({name}(accelerator, action, specialization), out kernelInfo);
"""
    return text


def indexed_info(n):
    t, text = names(n), ""
    where = "\n        where TIndex : struct, IIndex" + structs(n, "        ")
    for kind, size, given in (("AutoGrouped", "", ""), ("ImplicitlyGrouped", ", int customGroupSize", ", customGroupSize")):
        for stream, first in (("", "AcceleratorStream, TIndex"), ("Stream", "TIndex")):
            text += f"""
    public static Action<{first}, {t}> Load{kind}{stream}Kernel<TIndex, {t}>(
        this Accelerator accelerator, Action<TIndex, {t}> action{size}, out KernelInfo kernelInfo){where} =>
        KernelInfo.Of(Load{kind}{stream}Kernel(accelerator, action{given}), out kernelInfo);
"""
    return text


def launches(n):
    t, where = names(n), structs(n, "        ")
    indexed = "\n        where TIndex : struct, IGenericIndex<TIndex>" + where
    typed = ", ".join(f"T{i} arg{i}" for i in range(1, n + 1))
    pars = ", ".join(f"arg{i}" for i in range(1, n + 1))
    return f"""
    public void Launch<{t}>(Action<{t}> action, in KernelConfig kernelConfig, {typed}){where} =>
        Launch(action, DefaultStream, kernelConfig, {pars});

    public void Launch<{t}>(Action<{t}> action, AcceleratorStream stream, in KernelConfig kernelConfig, {typed}){where} =>
        Launched(action, IndexType.KernelConfig).Launch(stream, kernelConfig, new Arguments<{t}>(action, {pars}));

    public void LaunchAutoGrouped<TIndex, {t}>(Action<TIndex, {t}> action, TIndex extent, {typed}){indexed} =>
        LaunchAutoGrouped(action, DefaultStream, extent, {pars});

    public void LaunchAutoGrouped<TIndex, {t}>(Action<TIndex, {t}> action, AcceleratorStream stream, TIndex extent, {typed}){indexed} =>
        Launched(action, ThreadIndex.Kind<TIndex>()).LaunchIndexed(stream, ThreadIndex.ToExtent(extent), new IndexedArguments<TIndex, {t}>(action, extent, {pars}));
"""


def copies(rank, stride, in_buffer):
    view = f"ArrayView{rank}D<T, Stride{rank}D.{stride}>"
    self, use = (f"MemoryBuffer<{view}> buffer", "buffer.View") if in_buffer else (f"{view} view", "view")
    array = "T[" + "," * (rank - 1) + "]"
    lengths = ", ".join(f"{use}.Extent.{axis}" for axis in "XYZ"[:rank])
    text = "\n"
    for name, how in (("CopyFromCPU", "FromHost"), ("CopyToCPU", "ToHost")):
        text += f"""    public static void {name}<T>(this {self}, {array} data) where T : unmanaged => ArrayCopies.{how}({use}, Stream({use}.BaseView), data);
    public static void {name}<T>(this {self}, AcceleratorStream stream, {array} data) where T : unmanaged => ArrayCopies.{how}({use}, stream, data);
"""
    name = self.split(" ")[-1]
    return text + f"""    public static {array} GetAsArray{rank}D<T>(this {self}) where T : unmanaged => {name}.GetAsArray{rank}D(Stream({use}.BaseView));
    public static {array} GetAsArray{rank}D<T>(this {self}, AcceleratorStream stream) where T : unmanaged
    {{
        var data = new T[{lengths}];
        ArrayCopies.ToHost({use}, stream, data);
        return data;
    }}
"""


def allocations(rank, stride):
    array = "T[" + "," * (rank - 1) + "]"
    lengths = ", ".join(f"data.GetLength({axis})" for axis in range(rank))
    buffer = f"MemoryBuffer{rank}D<T, Stride{rank}D.{stride}>"
    return f"""
    public static {buffer} Allocate{rank}D{stride}<T>(this Accelerator accelerator, {array} data) where T : unmanaged =>
        accelerator.Allocate{rank}D{stride}(accelerator.DefaultStream, data);
    public static {buffer} Allocate{rank}D{stride}<T>(this Accelerator accelerator, AcceleratorStream stream, {array} data) where T : unmanaged
    {{
        {buffer} buffer = accelerator.Allocate{rank}D{stride}<T>(new LongIndex{rank}D({lengths}));
        ArrayCopies.FromHost(buffer.View, stream, data);
        return buffer;
    }}
"""


def write(name, head, bodies, tail=""):
    (HERE / name).write_text(NOTE + "namespace OllmNative.Runtime.Language;\n" + head + "".join(bodies) + tail)


SPLIT = (range(1, 8), range(8, 15))
write("KernelArguments.cs", "", [arguments(n, False) for n in range(1, 15)])
write("KernelArguments.Indexed.cs", "", [arguments(n, True) for n in range(1, 15)])
OPEN = "\n/// <summary>Makes kernels ready to launch.</summary>\npublic static partial class KernelLoaders\n{"
for part, sizes in zip(("A", "B"), SPLIT):
    write(f"KernelLoaders.Explicit{part}.cs", OPEN, [explicit_loader(n) for n in sizes], "}\n")
    write(f"KernelLoaders.Indexed{part}.cs", OPEN, [indexed_loader(n) for n in sizes], "}\n")
    write(f"KernelLoaders.Info{part}.cs", OPEN, [explicit_info(n) + indexed_info(n) for n in sizes], "}\n")
    write(f"Accelerator.Launch{part}.cs", "\n/// <summary>Launches without a loader: a kernel is loaded at its first launch, and kept.</summary>\npublic abstract partial class Accelerator\n{",
          [launches(n) for n in sizes], "}\n")
STRIDES = [(1, "General")] + [(2, s) for s in ("DenseX", "DenseY", "General")] + [(3, s) for s in ("DenseXY", "DenseZY", "General")]
write("ArrayViewExtensions.Arrays.cs", "\n/// <summary>Copies of arrays of several dimensions.</summary>\npublic static unsafe partial class ArrayViewExtensions\n{",
      [copies(rank, stride, in_buffer) for rank, stride in STRIDES for in_buffer in (False, True)]
      + [allocations(rank, stride) for rank, stride in STRIDES if stride != "General"], "}\n")
