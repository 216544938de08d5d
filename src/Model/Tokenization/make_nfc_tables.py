"""Writes NfcTables.cs from the Unicode Character Database that Python carries: python3 make_nfc_tables.py > NfcTables.cs

Run with the newest Python at hand; normalisation of assigned characters never changes between Unicode versions.
"""
import textwrap
import unicodedata as ucd

points = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]

decompositions = []
for c in points:
    mapping = ucd.decomposition(chr(c))
    if mapping and not mapping.startswith("<"):
        # A pair that NFC does not put together again is marked with '!' (the composition exclusions).
        composes = ucd.normalize("NFC", ucd.normalize("NFD", chr(c))) == chr(c)
        parts = "+".join(f"{int(p, 16):X}" for p in mapping.split())
        decompositions.append(f"{c:X}={parts}" + ("!" if "+" in parts and not composes else ""))

classes = []
for c in points:
    ccc = ucd.combining(chr(c))
    if not ccc:
        continue
    if classes and classes[-1][1] == c - 1 and classes[-1][2] == ccc:
        classes[-1][1] = c
    else:
        classes.append([c, c, ccc])


def block(name, summary, words):
    lines = textwrap.wrap(" ".join(words), 136, break_long_words=False, break_on_hyphens=False)
    print(f"    /// <summary>{summary}</summary>")
    print(f'    public static ReadOnlySpan<byte> {name} => """')
    print("\n".join("        " + line for line in lines))
    print('        """u8;')


print(f"""namespace OllmNative.Model;

/// <summary>
/// What NFC needs of the Unicode Character Database, version {ucd.unidata_version} (copyright Unicode, Inc., Unicode License v3).
/// Written by make_nfc_tables.py; not edited by hand. All numbers are hexadecimal.
/// </summary>
internal static class NfcTables
{{""")
block("Decompositions", "Canonical decompositions, one step each: code=first+second or code=single; '!' marks pairs that never compose.", decompositions)
print()
block("CombiningClasses", "Canonical combining classes other than 0: first-last=class.", [f"{a:X}-{b:X}={k:X}" for a, b, k in classes])
print("}")
