#!/usr/bin/env bash
# NVIDIA's assembler and disassembler (ptxas, nvdisasm, cuobjdump) into a folder, for the tests and for `ollm kernels --sass`.
# No GPU and no driver are needed; nothing is installed. Usage: build/ptxas.sh DIR, then put DIR on PATH.
set -euo pipefail
dir=${1:?usage: build/ptxas.sh DIR}
package=nvidia-cuda-toolkit_12.4.131~12.4.1-2_amd64.deb
url=http://deb.debian.org/debian/pool/non-free/n/nvidia-cuda-toolkit/$package
sha256=cd5fe85aee38d108b315f408a688641478f2402622a10c677478eb7a6c4e5319

[ "$(uname -sm)" = "Linux x86_64" ] || { echo "ptxas: Debian's package is for Linux on x86_64" >&2; exit 1; }
if [ -x "$dir/ptxas" ] && [ -x "$dir/nvdisasm" ] && [ -x "$dir/cuobjdump" ]; then
    echo "ptxas is in $dir"
    exit 0
fi
echo "ptxas, nvdisasm and cuobjdump of CUDA 12.4 are NVIDIA's, under the CUDA Toolkit End User License Agreement"
echo "(https://docs.nvidia.com/cuda/eula/); they come from Debian's package nvidia-cuda-toolkit, 87 MB, and are not part of this project."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if command -v curl >/dev/null; then
    curl -fsSL --retry 2 --max-time 300 -o "$work/package.deb" "$url"
else
    wget -q --tries 2 --timeout 60 -O "$work/package.deb" "$url"
fi
echo "$sha256  $work/package.deb" | sha256sum --check --quiet

# A Debian package is an ar archive with a tar of the files; dpkg is not everywhere.
if command -v dpkg >/dev/null; then
    dpkg -x "$work/package.deb" "$work/files"
else
    mkdir "$work/files"
    (cd "$work" && ar x package.deb && tar -xf data.tar.* -C files ./usr/bin)
fi
mkdir -p "$dir"
for tool in ptxas nvdisasm cuobjdump; do install -m 755 "$work/files/usr/bin/$tool" "$dir/$tool"; done
"$dir/ptxas" --version | tail -2
