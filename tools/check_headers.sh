#!/usr/bin/env bash
# Compiles every public header alone, and included twice.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

check() {
    printf '#include "%s"\n#include "%s"\n' "${1#include/}" "${1#include/}" |
        g++ -std=c++20 -fsyntax-only -Wall -Wextra -Wshadow=local -Werror -Iinclude -x c++ - ||
        { echo "$1: does not compile on its own" >&2; return 1; }
}
export -f check
find include -name '*.hpp' | sort | xargs -r -P "$(nproc)" -I{} bash -c 'check {}'
echo "$(find include -name '*.hpp' | wc -l) headers compile on their own"
