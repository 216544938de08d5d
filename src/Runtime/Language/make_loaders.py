#!/usr/bin/env python3
"""Writes KernelLoaders*.cs and KernelArguments*.cs: one overload for each number of kernel arguments, 1 to 14."""
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
        return (stream, config, {pars}) => kernel.Launch(stream, config, new Arguments<{t}>(action, {pars}));
    }}

    public static Action<KernelConfig, {t}> LoadStreamKernel<{t}>(
        this Accelerator accelerator, Action<{t}> action){where} =>
        LoadStreamKernel(accelerator, action, KernelSpecialization.Empty);

    public static Action<KernelConfig, {t}> LoadStreamKernel<{t}>(
        this Accelerator accelerator, Action<{t}> action, KernelSpecialization specialization){where}
    {{
        Kernel kernel = Load(accelerator, action, IndexType.KernelConfig, 0, specialization);
        return (config, {pars}) => kernel.Launch(accelerator.DefaultStream, config, new Arguments<{t}>(action, {pars}));
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
        return (stream, extent, {pars}) => kernel.LaunchIndexed(
            stream, ThreadIndex.ToExtent(extent), new IndexedArguments<TIndex, {t}>(action, extent, {pars}));
    }}

    public static Action<TIndex, {t}> Load{kind}StreamKernel<TIndex, {t}>(
        this Accelerator accelerator, Action<TIndex, {t}> action{size}){where}
    {{
        var load = Load{kind}Kernel(accelerator, action{', customGroupSize' if size else ''});
        return (extent, {pars}) => load(accelerator.DefaultStream, extent, {pars});
    }}
"""
    return text


def write(name, head, bodies, tail=""):
    (HERE / name).write_text(NOTE + "namespace OllmNative.Runtime.Language;\n" + head + "".join(bodies) + tail)


SPLIT = (range(1, 8), range(8, 15))
write("KernelArguments.cs", "", [arguments(n, False) for n in range(1, 15)])
write("KernelArguments.Indexed.cs", "", [arguments(n, True) for n in range(1, 15)])
OPEN = "\n/// <summary>Makes kernels ready to launch.</summary>\npublic static partial class KernelLoaders\n{"
for part, sizes in zip(("A", "B"), SPLIT):
    write(f"KernelLoaders.Explicit{part}.cs", OPEN, [explicit_loader(n) for n in sizes], "}\n")
    write(f"KernelLoaders.Indexed{part}.cs", OPEN, [indexed_loader(n) for n in sizes], "}\n")
