#!/usr/bin/env bash
# Feeds mutated files and requests to every reader for so many seconds in all (default 600), with another seed each night.
set -euo pipefail
cd "$(dirname "$0")/../.."
OLLM_FUZZ_SECONDS=${1:-600} OLLM_FUZZ_SEED=${2:-$RANDOM} dotnet test -c Release tests/Tests.csproj --filter "FullyQualifiedName~Fuzz"
OLLM_RANDOM_PROGRAMS=500 dotnet test -c Release --no-build tests/Tests.csproj --filter "FullyQualifiedName~RandomGroupPrograms"
