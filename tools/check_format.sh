#!/usr/bin/env bash
# Checks that every C++ file is as clang-format leaves it. (Compared by content: --dry-run reports
# the end comments of inline namespaces although it would not change them.)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. tools/lib.sh
[ -f .clang-format ] || die "no .clang-format"
bad=()
while read -r file; do
    clang-format-14 "$file" | diff -u --label "$file" --label "$file, formatted" "$file" - ||
        bad+=("$file")
done < <(source_files)
if [ ${#bad[@]} -gt 0 ]; then
    printf 'not formatted: %s\n' "${bad[@]}"
    die "./dev fmt formats them"
fi
echo "$(source_files | wc -l) files are formatted"
