#!/usr/bin/env bash
# Installs a build into a staging folder and builds a small program against it, once through
# find_package(tenon) and once through pkg-config, as a user of the package would.
#   tests/install/run.sh BUILD_DIR
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

build=$1
work=$PWD/build/install-test
rm -rf "$work"
export TENON_RUNTIME_DIR=$work/run  # where names are published
cmake --install "$build" --prefix "$work/prefix" >/dev/null

echo "-- installed headers are the public ones"
diff <(cd include && find . -name '*.hpp' | sort) <(cd "$work/prefix/include" && find . -type f | sort)

echo "-- find_package"
cmake -S tests/install -B "$work/consumer" -G Ninja -DCMAKE_BUILD_TYPE=Release \
    -DCMAKE_PREFIX_PATH="$work/prefix"
cmake --build "$work/consumer"
"$work/consumer/consumer"

echo "-- pkg-config"
export PKG_CONFIG_PATH=$work/prefix/lib/pkgconfig
g++ tests/install/consumer.cpp -o "$work/by-pkg-config" \
    $(pkg-config --cflags --libs tenon) -Wl,-rpath,"$work/prefix/lib"
"$work/by-pkg-config"

echo "-- soname"
readelf -d "$work/prefix/lib/libtenon.so" | grep -F 'soname: [libtenon.so.0]'

if [ -x "$work/prefix/bin/tenon" ]; then
    echo "-- the program runs from where it is installed"
    "$work/prefix/bin/tenon" --version
fi
