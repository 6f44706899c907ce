#!/usr/bin/env bash
# g++ 12 miscompiles coroutines that await a temporary in the condition of if, while or switch: they
# end before their first line. So no condition of ours holds a co_await unless it declares a name.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
found=$(git ls-files '*.cpp' '*.hpp' | xargs grep -nE '\b(if|while|switch) *(constexpr)? *\((!|[^;=]*[=!<>]= *)?[^;=]*\bco_await\b' || true)
if [ -n "$found" ]; then
    echo "co_await in a condition:"
    echo "$found"
    exit 1
fi
echo "no co_await in a condition"
