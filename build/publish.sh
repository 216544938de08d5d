#!/usr/bin/env bash
# Self-contained single-file programs for each platform into artifacts/PLATFORM; runs the one that can run here.
# Usage: build/publish.sh [PLATFORM...]
set -euo pipefail
cd "$(dirname "$0")/.."
platforms=("$@")
[ ${#platforms[@]} -gt 0 ] || platforms=(linux-x64 linux-arm64 win-x64 osx-arm64)
for platform in "${platforms[@]}"; do
    # The lock files list what all platforms need; the runtime of one comes on top, so they are left out here.
    dotnet publish src/Cli/Cli.csproj -c Release -r "$platform" --self-contained -o "artifacts/$platform" \
        -p:PublishSingleFile=true -p:IncludeNativeLibrariesForSelfExtract=true -p:DebugType=embedded \
        -p:RestorePackagesWithLockFile=false -p:NuGetLockFilePath=none.lock.json -p:GenerateDocumentationFile=false
    echo "$platform: $(du -sh "artifacts/$platform" | cut -f1)"
done
if [ "$(uname -sm)" = "Linux x86_64" ] && [ -x artifacts/linux-x64/ollm ]; then
    artifacts/linux-x64/ollm devices
    artifacts/linux-x64/ollm generate --model artifacts/linux-x64/weights/tiny-qwen2 --prompt '2 + 3 * 6' --max-tokens 20
fi
