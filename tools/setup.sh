#!/usr/bin/env bash
# Installs the Debian packages that a purpose needs and that are missing.
#   tools/setup.sh build|test|lint|bench
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Boost is only for the example that lives inside an Asio program, SQLite for that of a database.
build="g++ cmake ninja-build ccache libfmt-dev libcli11-dev libgtest-dev libsimdjson-dev libssl-dev
       zlib1g-dev libboost1.81-dev libsqlite3-dev python3"
test="$build binutils googletest pkg-config clang-14 libclang-rt-14-dev clang-format-14 valgrind
      python3-prometheus-client python3-jsonschema strace zsh curl ca-certificates procps
      g++-arm-linux-gnueabihf g++-s390x-linux-gnu qemu-user"
lint="$test clang-tidy-14"
# The systems that Tenon is measured beside. redis-tools has the server, too.
bench="$build pkg-config libgrpc++-dev protobuf-compiler-grpc libprotobuf-dev libcapnp-dev capnproto
       libzmq3-dev libnng-dev libsdbus-c++-dev libsystemd-dev dbus-daemon redis-tools"

purpose=${1:-test}
case $purpose in
    build) wanted=$build ;;
    test) wanted=$test ;;
    lint) wanted=$lint ;;
    bench) wanted=$bench ;;
    *) echo "usage: tools/setup.sh build|test|lint|bench" >&2; exit 2 ;;
esac
if [ "$purpose" = test ] || [ "$purpose" = lint ]; then
    # Node.js may come from elsewhere than Debian, with npm inside.
    command -v node >/dev/null || wanted="$wanted nodejs"
    command -v npm >/dev/null || wanted="$wanted npm"
fi

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    echo "setup: no apt-get here; needed are the likes of" $wanted
    exit 0
fi

installed=$(dpkg-query -W -f='${db:Status-Status} ${Package}\n' | sed -n 's/^installed //p')
missing=()
for package in $wanted; do
    grep -qxF -- "$package" <<<"$installed" || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null ||
        { echo "setup: as root, please: apt-get install ${missing[*]}" >&2; exit 1; }
    as_root=(sudo)
fi
mkdir -p build/logs
log=build/logs/setup.log
: >"$log"
apt() {
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y \
        -o DPkg::Lock::Timeout=300 "$@" </dev/null >>"$log" 2>&1
}
update() { echo "setup: refreshing the package lists"; apt update; }
install() { apt install --no-install-recommends "${missing[@]}"; }
give_up() { tail -n 20 "$log" >&2; echo "setup: failed, see $log" >&2; exit 1; }

fresh=
if ! apt-cache show "${missing[@]}" >/dev/null 2>&1; then
    update || give_up
    fresh=yes
fi
echo "setup: installing ${missing[*]}"
if ! install; then
    # Lists that are too old name versions which the mirror no longer has.
    if [ -n "$fresh" ] || ! update || ! install; then give_up; fi
fi
