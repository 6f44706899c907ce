#!/usr/bin/env bash
# Checks that every C++ file is as clang-format leaves it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. tools/lib.sh
[ -f .clang-format ] || die "no .clang-format"
source_files | xargs -r -d '\n' clang-format-14 --dry-run -Werror --ferror-limit=3 ||
    die "not formatted; ./dev fmt does it"
echo "$(source_files | wc -l) files are formatted"
