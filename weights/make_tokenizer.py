"""Makes weights/tiny-qwen2/tokenizer.json: byte-level BPE in the structure of Qwen2's file, with a merge list just long
enough to make each word of the tiny world one token. Digits stay single, because the pre-tokenizer splits them.

Also used by pretrain_tiny.py: `encode` is the same BPE, for text of ASCII letters, digits and signs.
"""
import json
import re
from collections import Counter
from pathlib import Path

# Words of src/Training/TinyWorld.cs, as the pre-tokenizer cuts them (a word takes the space before it).
WORDS = [" +", " -", " *", "First", " then", "We", " get", " so", "Start", " next", "Now", " and", " \\", "boxed"]
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
PATTERN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
           r"|\s*[\r\n]+|\s+(?!\S)|\s+")


def byte_alphabet():
    """Byte -> character: printable Latin-1 stands for itself, every other byte takes the next code point from 256 on."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in printable]
    table = {b: chr(b) for b in printable}
    table.update({b: chr(256 + i) for i, b in enumerate(others)})
    return table


ALPHABET = byte_alphabet()


def to_alphabet(text):
    return "".join(ALPHABET[b] for b in text.encode())


def merge_pair(parts, pair):
    out, i = [], 0
    while i < len(parts):
        if tuple(parts[i:i + 2]) == pair:
            out.append(parts[i] + parts[i + 1])
            i += 2
        else:
            out.append(parts[i])
            i += 1
    return out


def learn_merges(words):
    """Plain BPE training on the word list, until every word is one token. Ties go to the pair that is first in order."""
    words = [list(to_alphabet(w)) for w in words]
    merges = []
    while any(len(w) > 1 for w in words):
        pairs = Counter(pair for w in words for pair in zip(w, w[1:]))
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        words = [merge_pair(w, best) for w in words]
    return merges


def make(folder):
    merges = learn_merges(WORDS)
    symbols = sorted(ALPHABET.values(), key=ord) + ["".join(pair) for pair in merges]
    assert len(set(symbols)) == len(symbols)
    vocab = {symbol: i for i, symbol in enumerate(symbols)}
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
    added = [{"id": len(vocab) + i, "content": text, "single_word": False, "lstrip": False, "rstrip": False,
              "normalized": False, "special": True} for i, text in enumerate(SPECIAL)]
    tokenizer = {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added,
        "normalizer": {"type": "NFC"},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": PATTERN}, "behavior": "Isolated", "invert": False}, byte_level]},
        "post_processor": byte_level, "decoder": byte_level,
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": "",
                  "end_of_word_suffix": "", "fuse_unk": False, "byte_fallback": False, "vocab": vocab,
                  "merges": [" ".join(pair) for pair in merges]},
    }
    config = {
        "add_bos_token": False, "add_prefix_space": False, "bos_token": None, "eos_token": SPECIAL[0],
        "pad_token": SPECIAL[0], "unk_token": None, "model_max_length": 256, "tokenizer_class": "Qwen2Tokenizer",
        "clean_up_tokenization_spaces": False, "errors": "replace", "split_special_tokens": False,
        "added_tokens_decoder": {str(t["id"]): {k: t[k] for k in ("content", "lstrip", "normalized", "rstrip",
                                                                  "single_word", "special")} for t in added},
    }
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "tokenizer.json", tokenizer)
    write_json(folder / "tokenizer_config.json", config)
    return tokenizer


def write_json(path, value):
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


class Tokenizer:
    """Encodes and decodes with a tokenizer.json of the kind made above."""

    # \p{L} and \p{N} are [A-Za-z] and [0-9] for the text of the tiny world.
    _split = re.compile(PATTERN.replace(r"[^\s\p{L}\p{N}]", r"[^\sA-Za-z0-9]").replace(r"\p{L}\p{N}", "A-Za-z0-9")
                        .replace(r"\p{L}", "[A-Za-z]").replace(r"\p{N}", "[0-9]"))

    def __init__(self, tokenizer):
        self.vocab = tokenizer["model"]["vocab"]
        self.ranks = {tuple(m.split(" ")): i for i, m in enumerate(tokenizer["model"]["merges"])}
        self.special = {t["content"]: t["id"] for t in tokenizer["added_tokens"]}
        self.end = self.special[SPECIAL[0]]
        self.size = len(self.vocab) + len(self.special)
        self._bytes = {c: b for b, c in ALPHABET.items()}
        self._symbols = {i: s for s, i in self.vocab.items()}
        self._cache = {}

    def encode(self, text):
        return [i for match in self._split.finditer(text) for i in self._word(match.group())]

    def decode(self, ids):
        symbols = "".join(self._symbols.get(i, "") for i in ids)
        return bytes(self._bytes[c] for c in symbols).decode(errors="replace")

    def _word(self, word):
        if word not in self._cache:
            parts = list(to_alphabet(word))
            while True:
                pairs = [p for p in zip(parts, parts[1:]) if p in self.ranks]
                if not pairs:
                    break
                parts = merge_pair(parts, min(pairs, key=self.ranks.__getitem__))
            self._cache[word] = [self.vocab[p] for p in parts]
        return self._cache[word]


if __name__ == "__main__":
    made = make(Path(__file__).parent / "tiny-qwen2")
    print(f"{len(made['model']['vocab']) + len(SPECIAL)} tokens, {len(made['model']['merges'])} merges")
