#!/bin/sh
# leftovers.sh [TREE]: finds what was meant to go before a change is done, prints it, fails if there
# is any: notes to oneself, conflict markers, disabled code, blanks at line ends, tabs in C++,
# text files without a last newline, backup files, and folders and files named after nothing.
set -u
cd "${1:-$(dirname -- "$(readlink -f -- "$0")")/..}" || exit 2

# report WHAT: prints the lines of stdin under that heading, if there are any.
report() {
  lines=$(head -n 40)
  [ -z "$lines" ] || printf '%s:\n%s\n' "$1" "$lines"
}

# Files of ours that people read, NUL-separated; data and the build folder are left out.
files() {
  find . \( -path ./build -o -path ./.git -o -path ./models -o -name goldens -o -name seeds -o -name data \
    -o -name __pycache__ \) -prune -o -type f \( "$@" \) ! -name LICENSE ! -name leftovers.sh -print0
}
code() { files -name '*.h' -o -name '*.cc' -o -name '*.inc'; }
text() {
  files -name '*.h' -o -name '*.cc' -o -name '*.inc' -o -name '*.cmake' -o -name '*.txt' -o -name '*.sh' \
    -o -name '*.py' -o -name '*.md' -o -name '*.json' -o -path ./moiety -o -path ./check
}

search() {
  text | xargs -0 -r grep -nE '\b(TODO|FIXME|XXX|HACK|WIP|DO NOT (SUBMIT|COMMIT))\b' | report "notes to oneself"
  text | xargs -0 -r grep -nE '^(<<<<<<<|>>>>>>>|\|\|\|\|\|\|\|) ' | report "conflict markers"
  text | xargs -0 -r grep -nE '[[:blank:]]+$' | report "blanks at the end of a line"
  code | xargs -0 -r grep -nE '^[[:blank:]]*#[[:blank:]]*if[[:blank:]]+(0|false)\b' | report "disabled code"
  code | xargs -0 -r grep -n "$(printf '\t')" | report "tabs"
  text | xargs -0 -r sh -c 'for f; do [ ! -s "$f" ] || [ -z "$(tail -c 1 "$f")" ] || echo "$f"; done' sh |
    report "no newline at the end"
  find . \( -path ./build -o -path ./.git \) -prune -o \( -name '*~' -o -name '*.orig' -o -name '*.rej' \
    -o -name '*.bak' -o -name '*.swp' -o -name '*.o' -o -name 'core.[0-9]*' -o -name 'crash-*' \) -print |
    report "files of tools"
  find src tests bench fuzz examples include \( -name utils -o -name 'util*.*' -o -name 'common*' -o -name 'misc*' \
    -o -name 'helpers*' -o -name old -o -name archive -o -name '*_v2.*' -o -name '*_old.*' \) -print 2>/dev/null |
    report "names that say nothing"
}

found=$(search)
[ -n "$found" ] || exit 0
printf '%s\n' "$found"
exit 1
