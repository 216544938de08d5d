#!/usr/bin/env bash
# Self-contained single-file programs for each platform into artifacts/PLATFORM; runs the one that can run here. Where the package source lacks
# a platform's runtime, the program is compiled for it without one (`dotnet ollm.dll` starts it there), and the end says so.
# Usage: build/publish.sh [PLATFORM...]
set -euo pipefail
cd "$(dirname "$0")/.."
platforms=("$@")
[ ${#platforms[@]} -gt 0 ] || platforms=(linux-x64 linux-arm64 win-x64 osx-arm64)
# The lock files list what all platforms need; the runtime of one comes on top, so they are left out here.
common=(-c Release -p:DebugType=embedded -p:RestorePackagesWithLockFile=false -p:NuGetLockFilePath=none.lock.json -p:GenerateDocumentationFile=false --nologo)
built=() compiled=() failed=()
log=$(mktemp)
trap 'rm -f "$log"' EXIT
publish_single() {
    dotnet publish src/Cli/Cli.csproj -r "$1" --self-contained -o "artifacts/$1" "${common[@]}" \
        -p:PublishSingleFile=true -p:IncludeNativeLibrariesForSelfExtract=true >"$log" 2>&1
}
for platform in "${platforms[@]}"; do
    rm -rf "artifacts/$platform"
    # NU1101: the source has no package of that name. A mirror may only be fetching it, so it is asked twice; anything else is an error of ours.
    if publish_single "$platform" || { grep -q NU1101 "$log" && sleep "${OLLM_PUBLISH_PAUSE:-20}" && publish_single "$platform"; }
    then
        built+=("$platform")
        echo "$platform: single-file program, $(du -sh "artifacts/$platform" | cut -f1)"
        continue
    fi
    if ! grep -q NU1101 "$log"; then
        cat "$log"
        failed+=("$platform")
        continue
    fi
    echo "$platform: not on this package source: $(grep -o 'Unable to find package [A-Za-z0-9.-]*[A-Za-z0-9]' "$log" | sed 's/.* //' | sort -u | paste -sd ' ')"
    if dotnet publish src/Cli/Cli.csproj -r "$platform" --self-contained false -o "artifacts/$platform" "${common[@]}" \
        -p:UseAppHost=false -p:PublishReadyToRun=false >"$log" 2>&1
    then
        compiled+=("$platform")
        echo "$platform: compiled without a runtime, $(du -sh "artifacts/$platform" | cut -f1); it needs .NET there: dotnet ollm.dll"
    else
        cat "$log"
        failed+=("$platform")
    fi
done
if [ "$(uname -sm)" = "Linux x86_64" ] && [ -x artifacts/linux-x64/ollm ]; then
    artifacts/linux-x64/ollm devices
    artifacts/linux-x64/ollm generate --model artifacts/linux-x64/weights/tiny-qwen2 --prompt '2 + 3 * 6' --max-tokens 20
fi
echo "single-file programs: ${built[*]:-none}; compiled without a runtime: ${compiled[*]:-none}; failed: ${failed[*]:-none}"
[ ${#compiled[@]} -eq 0 ] && [ ${#failed[@]} -eq 0 ] || exit 1
