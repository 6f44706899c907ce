// tenon completion: scripts for shells. They ask `tenon complete`.

#include "command_line.hpp"
#include "commands.hpp"
#include "interruption.hpp"
#include "output.hpp"

namespace cli {

namespace {

constexpr const char* bash_script =
    R"(# Completion of tenon for bash:  source <(tenon completion bash)
_tenon() {
    local program=$1 line=${COMP_LINE:0:COMP_POINT} found word prefix
    type -P -- "$program" >/dev/null || program=tenon
    # Readline replaces what stands behind the last of these characters only.
    local breaks= i current=${line##*[[:space:]]} kept=
    for i in = : @; do [[ $COMP_WORDBREAKS == *"$i"* ]] && breaks+=$i; done
    [[ -n $breaks && $current == *[$breaks]* ]] && kept=${current%"${current##*[$breaks]}"}
    COMPREPLY=()
    while IFS= read -r found; do
        if [[ $found == ":files "* ]]; then
            prefix=${found#:files }
            compopt -o filenames 2>/dev/null
            while IFS= read -r word; do
                COMPREPLY+=("${prefix#"$kept"}$word")
            done < <(compgen -f -- "${current#"$prefix"}")
        else
            word=${found%%$'\t'*}
            [[ $word == *[./=] ]] && compopt -o nospace 2>/dev/null
            COMPREPLY+=("${word#"$kept"}")
        fi
    done < <("$program" complete --line "$line" 2>/dev/null)
}
complete -F _tenon tenon
)";

constexpr const char* zsh_script = R"(#compdef tenon
# Completion of tenon for zsh:  source <(tenon completion zsh), or as _tenon in a folder of $fpath.
_tenon() {
    local program=${(Q)words[1]} found word
    local -a whole begun whole_shown begun_shown
    (( $+commands[$program] )) || [[ -x $program ]] || program=tenon
    for found in "${(@f)$("$program" complete -- "${(@Q)words[1,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)}"; do
        case $found in
            '') ;;
            ':files '*)
                word=${found#:files }
                compset -P "${(b)word}"
                _files ;;
            *)
                word=${found%%$'\t'*}
                if [[ $word == *[./=] ]]; then
                    begun+=("$word") begun_shown+=("${found/$'\t'/  }")
                else
                    whole+=("$word") whole_shown+=("${found/$'\t'/  }")
                fi ;;
        esac
    done
    (( $#whole )) && compadd -l -d whole_shown -a whole
    (( $#begun )) && compadd -l -S '' -d begun_shown -a begun
    return 0
}
if [[ $funcstack[1] == _tenon ]]; then _tenon "$@"; else compdef _tenon tenon; fi
)";

}  // namespace

int completion_script(arguments args, interruption&) {
    command_line line(
        "completion", "bash|zsh",
        "Prints a script that completes tenon's command lines: commands, options, the\n"
        "services that run here, their methods, and the names of arguments.",
        R"(It never waits for longer than 300 ms, or what TENON_COMPLETION_LIMIT says ("1s").

Examples:
  source <(tenon completion bash)
  tenon completion zsh >~/.zfunc/_tenon
)");
    const std::vector<std::string> words = line.parse(args);
    if (words.size() != 1) throw usage_error("of which shell? give bash or zsh");
    if (words[0] == "bash") return write_out(bash_script), 0;
    if (words[0] == "zsh") return write_out(zsh_script), 0;
    throw usage_error("expected bash or zsh, got \"" + words[0] + "\"");
}

}  // namespace cli
