#!/usr/bin/env bash
# A software bill of materials (CycloneDX 1.5) of what the program ships, made from the lock files.
# Usage: build/sbom.sh [FILE]
set -euo pipefail
cd "$(dirname "$0")/.."
version=$(sed -n 's/.*<Version>\(.*\)<\/Version>.*/\1/p' Directory.Build.props)
runtime=$(dotnet msbuild src/Cli/Cli.csproj -getProperty:BundledNETCoreAppPackageVersion)
dotnet run build/Sbom.cs -- "${1:-artifacts/sbom.cdx.json}" "$version" "$runtime" src/*/packages.lock.json
