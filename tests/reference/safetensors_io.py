"""Safetensors files for PyTorch tensors: F32, F16, BF16 and I64, single or sharded. Layout: u64 header length, JSON header
{name: {dtype, shape, data_offsets}}, data; offsets count from the end of the header.
"""
import json
import struct
from pathlib import Path

import numpy as np
import torch

_DTYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I64": torch.int64}
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}


def _to_bytes(tensor):
    tensor = tensor.detach().contiguous()
    if tensor.dtype == torch.bfloat16:  # numpy has no bf16: hand over the 16 bits as they are
        tensor = tensor.view(torch.int16)
    return tensor.numpy().tobytes()


def save(path, tensors, metadata=None):
    """Writes {name: tensor} in the order given; the header is padded with spaces to a multiple of 8 bytes."""
    header, blobs, at = ({"__metadata__": metadata} if metadata else {}), [], 0
    for name, tensor in tensors.items():
        blob = _to_bytes(tensor)
        header[name] = {"dtype": _NAMES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [at, at + len(blob)]}
        blobs.append(blob)
        at += len(blob)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    Path(path).write_bytes(struct.pack("<Q", len(text)) + text + b"".join(blobs))


def load(path):
    """Reads one file to {name: tensor} with the file's own dtypes."""
    raw = Path(path).read_bytes()
    size = struct.unpack("<Q", raw[:8])[0]
    header, data = json.loads(raw[8:8 + size]), raw[8 + size:]
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        dtype, (start, end) = _DTYPES[entry["dtype"]], entry["data_offsets"]
        bits = np.dtype(np.int16) if dtype == torch.bfloat16 else np.dtype(str(dtype).split(".")[1])
        tensor = torch.from_numpy(np.frombuffer(data[start:end], bits).copy())
        tensors[name] = (tensor.view(dtype) if dtype == torch.bfloat16 else tensor).reshape(entry["shape"])
    return tensors


def save_sharded(folder, tensors, shards):
    """Writes model-0000i-of-0000n.safetensors of about equal size and model.safetensors.index.json."""
    folder = Path(folder)
    sizes = {name: tensor.numel() * tensor.element_size() for name, tensor in tensors.items()}
    total, at, parts = sum(sizes.values()), 0, [{} for _ in range(shards)]
    for name, tensor in tensors.items():
        parts[min(shards - 1, at * shards // total)][name] = tensor
        at += sizes[name]
    weight_map = {}
    for i, part in enumerate(parts):
        file = f"model-{i + 1:05d}-of-{shards:05d}.safetensors"
        save(folder / file, part, {"format": "pt"})
        weight_map.update({name: file for name in part})
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2) + "\n")


def load_folder(folder):
    """All tensors of a model folder, single file or sharded."""
    folder = Path(folder)
    index = folder / "model.safetensors.index.json"
    if not index.exists():
        return load(folder / "model.safetensors")
    files = sorted(set(json.loads(index.read_text())["weight_map"].values()))
    return {name: tensor for file in files for name, tensor in load(folder / file).items()}
