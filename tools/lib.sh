# Shared by ./dev and the scripts in tools/; sourced with the repository as working directory.

die() { echo "dev: $*" >&2; exit 1; }

# One compiler cache for all clones, so the path of the clone must not count.
export HOME=${HOME:-$(getent passwd "$(id -u)" | cut -d: -f6)}
export CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=1

jobs() { nproc; }
logs=build/logs

log_of() { echo "$logs/${1//[^A-Za-z0-9._-]/_}.log"; }

# step NAME COMMAND…: runs it with its output in log_of NAME and prints one line. A failure also
# shows the end of the log and is this function's result.
step() {
    local name=$1 log start status=0
    shift
    log=$(log_of "$name")
    mkdir -p "$logs"
    printf '%-36s ' "$name"
    start=$SECONDS
    "$@" </dev/null >"$log" 2>&1 || status=$?
    if [ $status -eq 0 ]; then
        printf 'ok     %4d s\n' $((SECONDS - start))
        return 0
    fi
    printf 'FAILED %4d s\n' $((SECONDS - start))
    tail -n 40 "$log" | sed 's/^/    /'
    echo "    (all of it: $log)"
    return 1
}

# Warnings are errors, but not with sanitizers, whose instrumentation makes g++ warn wrongly, nor
# with clang.
configure() {
    local werror=OFF
    case $1 in release | debug | peers) werror=ON ;; esac
    cmake --preset "$1" -DTENON_WERROR=$werror
}

# compile PRESET [TARGET…]
compile() {
    local preset=$1
    shift
    configure "$preset"
    cmake --build --preset "$preset" -j "$(jobs)" ${1:+--target "$@"}
}

# build_preset PRESET [TARGET…]: with ninja's own progress line on a terminal, else as one step.
build_preset() {
    grep -q "\"name\": \"$1\", \"configurePreset\"" CMakePresets.json ||
        die "no preset \"$1\"; see ./dev help"
    if [ -t 1 ]; then
        mkdir -p "$logs"
        configure "$1" >"$logs/configure.log" 2>&1 ||
            { tail -n 40 "$logs/configure.log"; die "configuring $1 failed"; }
        local preset=$1
        shift
        cmake --build --preset "$preset" -j "$(jobs)" ${1:+--target "$@"}
    else
        step "build $1" compile "$@"
    fi
}

# All C++ files of the tree, tracked or new.
source_files() {
    git ls-files --cached --others --exclude-standard -- '*.hpp' '*.cpp' |
        while read -r f; do [ ! -f "$f" ] || echo "$f"; done
}
