#!/usr/bin/env bash
# Random contracts → manifest → to_cpp() → compiled again → manifest of an equal hash.
#   tests/manifest/run.sh BUILD_DIR [SEED [COUNT]]
# What was made stays in BUILD_DIR/manifest-test; the seed is printed, so that a failure can be
# looked at again.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

build=$(realpath "$1")
seed=${2:-$((RANDOM * 32768 + RANDOM))}
count=${3:-10}
work=$build/manifest-test
rm -rf "$work"
mkdir -p "$work/first" "$work/second"
echo "seed $seed, $count contracts"

# compile NAME: NAME.hpp with NAME.calls, one call of write_manifest per contract.
compile() {
    local source=$work/$1.cpp
    {
        printf '#include "%s"\n#include "write_manifests.hpp"\n' "$work/$1.hpp"
        printf 'int main(int, char** argv) {\n'
        sed 's|^\([^ ]*\) \(.*\)|    write_manifest<\2>(argv[1], "\1");|' "$work/$1.calls"
        printf '}\n'
    } >"$source"
    g++ -std=c++20 -O0 -Wall -Wextra -Werror -Iinclude -Itests/manifest "$source" -o "$work/$1-program" \
        -L"$build" -ltenon -Wl,-rpath,"$build"
    "$work/$1-program" "$work/$1"
}

tests/manifest/generate.py "$seed" "$count" >"$work/first.hpp"
for i in $(seq -f %02g 0 $((count - 1))); do echo "c$i c$i::svc"; done >"$work/first.calls"
compile first

for header in "$work"/first/*.hpp; do
    printf '#include "%s"\n' "$header"
done >"$work/second.hpp"
# What the contract is called there is the first argument of TENON_INTERFACE.
for header in "$work"/first/*.hpp; do
    name=$(basename "$header" .hpp)
    echo "$name $name::$(sed -n 's/^TENON_INTERFACE(\([^,]*\),.*/\1/p' "$header")"
done >"$work/second.calls"
compile second

passed=0
failed=0
for hash in "$work"/first/*.hash; do
    name=$(basename "$hash" .hash)
    if cmp -s "$hash" "$work/second/$name.hash" && cmp -s "$work"/{first,second}/"$name.json"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "$name: another manifest"
        diff "$work"/{first,second}/"$name.json" | head -n 20 || true
    fi
done
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
