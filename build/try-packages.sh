#!/usr/bin/env bash
# Packs tool and libraries, then uses them as a stranger would: the tool installed from the local folder into an empty home, and
# the program of docs/library.md compiled against the packages. Usage: build/try-packages.sh
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
packages=$root/artifacts/packages
rm -rf "$packages"
for project in Runtime Kernels Model Training Cli; do
    dotnet pack "src/$project/$project.csproj" -c Release -o "$packages" -p:RunAnalyzers=false --nologo -v quiet
done
ls "$packages"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
version=$(sed -n 's/.*<Version>\(.*\)<\/Version>.*/\1/p' Directory.Build.props)
# A home and a package cache of their own: nothing that was there before can help.
export HOME=$work/home NUGET_PACKAGES=$work/home/packages DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1
mkdir -p "$HOME"
dotnet tool install OllmNative.Tool --tool-path "$work/tools" --add-source "$packages" --version "$version"
"$work/tools/ollm" --version
"$work/tools/ollm" data tiny --rows 64 --seed 5 --out "$work/rows.jsonl"

mkdir "$work/sample"
cd "$work/sample"
sed -n '/^```csharp$/,/^```$/p' "$root/docs/library.md" | sed '1d;$d' >Program.cs
cat >sample.csproj <<XML
<Project Sdk="Microsoft.NET.Sdk">
  <PropertyGroup>
    <OutputType>Exe</OutputType>
    <TargetFramework>net10.0</TargetFramework>
    <Nullable>enable</Nullable>
    <ImplicitUsings>enable</ImplicitUsings>
    <RestoreAdditionalProjectSources>$packages</RestoreAdditionalProjectSources>
  </PropertyGroup>
  <ItemGroup>
    <PackageReference Include="OllmNative.Training" Version="$version" />
  </ItemGroup>
</Project>
XML
dotnet run -c Release -- "$root/weights/tiny-qwen2" "$work/rows.jsonl" "$work/out"
"$work/tools/ollm" generate --model "$root/weights/tiny-qwen2" --ollm "$work/out" --prompt '2 + 3 * 6' --max-tokens 16
echo "packages: the tool and the sample ran"
