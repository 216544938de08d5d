"""The figures that a run of bench/gpu.sh is to reach, and those that arithmetic expects (docs/performance.md), beside what was measured.

Sizes are the script's own on DeepSeek-R1-Distill-Qwen-1.5B's shape: decoding without options, a training step of one row of 4,096 tokens, half of
them targets. A prediction that is far off names the line whose arithmetic to look at."""


def rate(result, part, key="tokens_per_second"):
    return result(part).get(key)


def quotient(a, b):
    return a / b if a and b else None


def kernel(result, *names):
    """The best TFLOP/s of some kernels."""
    rows = [row.get("teraflops_per_second") or 0 for row in result("kernels").get("kernels", []) if row["kernel"] in names]
    return max(rows, default=0) or None


def blas(result, shape, rows):
    found = [row["tflops"] for row in result("torch-gemm").get("gemm", []) if (row["shape"], row["m"]) == (shape, rows)]
    return found[0] if found else None


def head(result):
    """Both products together: as many operations each, so the harmonic mean."""
    logits, gradient = kernel(result, "HeadLogitsWgmma", "HeadLogits"), kernel(result, "HeadGradientWgmma", "HeadGradient")
    return 2 / (1 / logits + 1 / gradient) if logits and gradient else None


def memory(result):
    return quotient(result("train").get("gpu_memory_bytes"), result("torch-train").get("gpu_memory_bytes"))


def figures(result):
    """Name, unit, measured, asked for, expected (None: not worked out), and whether less is better."""
    cached = result("torch-train").get("cached_hidden_states", {}).get("tokens_per_second")
    train, decode = rate(result, "train"), rate(result, "decode")
    wgmma = kernel(result, "MatMulWgmma", "MatMulWgmmaNarrow")
    return [
        ("decode", "tokens/s", decode, 1000, 1199, False),
        ("decode, beside `generate`", "x", quotient(decode, rate(result, "torch-decode")), 3, None, False),
        ("decode, beside PyTorch in a CUDA graph", "x", quotient(decode, result("torch-decode").get("cuda_graph", {}).get("tokens_per_second")), 1, None, False),
        ("decode, all ten options shown, beside one chosen", "x", quotient(rate(result, "decode-options"), rate(result, "decode-ollm")), 0.91, 0.98, False),
        ("prefill, beside PyTorch", "x", quotient(rate(result, "prefill"), rate(result, "torch-prefill")), 1, None, False),
        ("training, first epoch", "tokens/s", train, 125_000, 164_000, False),
        ("training, first epoch, beside PyTorch", "x", quotient(train, rate(result, "torch-train")), 1, None, False),
        ("training, cached hidden states", "tokens/s", rate(result, "cached"), 500_000, 948_000, False),
        ("training, cached, beside PyTorch", "x", quotient(rate(result, "cached"), cached), 1, None, False),
        ("training, GPU memory beside PyTorch's", "x", memory(result), 0.6, 0.84, True),
        ("products, mma.sync", "TFLOP/s", kernel(result, "MatMulTensor3", "MatMulTensor4"), 450, 425, False),
        ("products, warp groups, beside cuBLAS (gate and up, 2,048 rows)", "x", quotient(wgmma, blas(result, "gate_up", 2048)), 0.95, None, False),
        ("attention of 8,192 tokens, mma.sync", "TFLOP/s", kernel(result, "AttentionTensor128"), 300, 340, False),
        ("attention of 8,192 tokens, warp groups", "TFLOP/s", kernel(result, "AttentionWgmma128"), 500, 682, False),
        ("head and loss", "TFLOP/s", head(result), 550, 590, False),
        ("second start, until two tokens are there", "s", rate(result, "second-start", "seconds_from_start_through_first_run"), 2, None, True),
    ]


def table(result):
    """Lines of markdown. Reached: the measured part of what was asked for, or, where less is better, the other way round."""
    lines = ["| figure | measured | asked for | reached | expected | measured / expected |", "|---|---|---|---|---|---|"]
    for name, unit, measured, asked, expected, less in figures(result):
        def text(value):
            return "-" if value is None else f"{value:,.0f} {unit}" if value >= 100 else f"{value:,.2f} {unit}"

        share = None if measured is None else asked / measured if less and measured else measured / asked
        reached = "-" if share is None else f"{100 * share:.0f} %{'' if share >= 1 else ' **missed**'}"
        beside = "-" if measured is None or expected is None else f"{100 * measured / expected:.0f} %"
        lines.append(f"| {name} | {text(measured)} | {text(asked)} | {reached} | {text(expected)} | {beside} |")
    return lines + [""]
