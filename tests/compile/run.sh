#!/usr/bin/env bash
# Programs that must not compile. Each tests/compile/*.cpp has lines "// error: TEXT"; compiling it
# must fail with every TEXT in the compiler's output, so that users are told what is wrong. With
# -DCORRECT the same file must compile, so that it fails for that reason only.
#   tests/compile/run.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

export LC_ALL=C  # plain quotes in messages

compile() { g++ -std=c++20 -fsyntax-only -Wall -Wextra -Werror -Iinclude "$@" 2>&1; }
check() {
    local file=$1 said text
    if ! said=$(compile -DCORRECT "$file"); then
        printf '%s: does not compile with -DCORRECT\n%s\n' "$file" "$said"
        return 1
    fi
    if said=$(compile "$file"); then
        echo "$file: compiles, but must not"
        return 1
    fi
    while read -r text; do
        grep -qF -- "$text" <<<"$said" ||
            { printf '%s: not said: %s\nbut:\n%s\n' "$file" "$text" "$said"; return 1; }
    done < <(sed -n 's|^// error: ||p' "$file")
}

failed=0
passed=0
for file in tests/compile/*.cpp; do
    if check "$file"; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
done
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
