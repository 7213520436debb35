#!/bin/sh
# layering.sh [TREE]: proves the rules of the source tree, prints every breach, fails if there is one.
#   - includes go only upwards in the list of folders below; serve, train and study are neighbours
#     that do not see each other; project includes are written from src/: "folder/file.h"
#   - public headers stand alone and examples use nothing else; every folder sees them, but base only
#     status.h
#   - a source file has at most 800 lines, but for generated *_table.* and *_tables.*
#   - src/x/y.cc has its test in tests/x/y_test.cc (or in a folder above that one, or end to end in
#     tests/e2e/y_test.cc), or a line with the reason in tests/untested.txt
# layering.sh --self-test: breaks each rule in a tree of its own and sees that it is noticed.
set -u

folders="base io tensor quant format jinja tokenize convert chat kernels ops dist routing store moe models runtime"
folders="$folders serve train study cli"

check_tree() {
  cd "$1" || return 2
  result=0
  for folder in src/*/; do
    name=$(basename "$folder")
    case " $folders " in
      *" $name "*) ;;
      *) echo "src/$name is not a folder of the design"; result=1 ;;
    esac
  done
  find src include examples -type f \( -name '*.h' -o -name '*.cc' -o -name '*.inc' \) -exec awk -v list="$folders" '
    BEGIN {
      count = split(list, folders, " ")
      for (i = 1; i <= count; ++i) rank[folders[i]] = i
      rank["train"] = rank["study"] = rank["serve"]
      max_lines = 800
    }
    function breach(text) { print FILENAME ":" FNR ": " text; broken = 1 }
    function end_of_file() {
      if (length_of > max_lines && file ~ /^src\// && file !~ /_tables?\.[a-z]+$/) {
        print file ": " length_of " lines, more than " max_lines
        broken = 1
      }
    }
    FNR == 1 {
      end_of_file()
      file = FILENAME
      split(file, path, "/")
      top = path[1]
      folder = top == "src" ? path[2] : top
    }
    { length_of = FNR }
    /^[ \t]*#[ \t]*include[ \t]*["<]/ {
      quoted = $0 ~ /include[ \t]*"/
      name = $0
      sub(/^[^"<]*["<]/, "", name)
      sub(/[">].*$/, "", name)
      slash = index(name, "/")
      target = slash ? substr(name, 1, slash - 1) : ""
      if (target == "moiety") {
        if (top == "src" && folder == "base" && name != "moiety/status.h")
          breach("base may not include \"" name "\", of the public headers only status.h")
      } else if (top == "include") {
        if (quoted || target ~ /^(nlohmann|CLI|fmt)$/)
          breach("a public header may not include \"" name "\"")
      } else if (top == "examples") {
        if (quoted && slash) breach("an example may not include \"" name "\"")
      } else if (target in rank) {
        if (rank[target] > rank[folder] || (rank[target] == rank[folder] && target != folder))
          breach(folder " may not include \"" name "\"")
      } else if (quoted) {
        breach("\"" name "\" is not an include of the form \"folder/file.h\"")
      }
    }
    END { end_of_file(); exit broken }' {} + || result=1
  check_mirror || result=1
  return $result
}

# Prints sources without a test and exceptions that are none.
check_mirror() {
  { sed 's/^/exception /' tests/untested.txt 2>/dev/null
    find tests -type f -name '*_test.cc' | sed 's/^/test /'
    find src -type f -name '*.cc' | sort | sed 's/^/source /'
  } | awk '
    { kind = $1; path = $2 }
    kind == "exception" && (path == "" || path ~ /^#/) { next }
    kind == "exception" {
      if (NF < 3) { print "tests/untested.txt: no reason is given for " path; broken = 1 }
      exceptions[path] = 1
    }
    kind == "test" { tests[path] = 1 }
    kind == "source" {
      dir = path
      sub(/^src\//, "", dir)
      base = dir
      sub(/.*\//, "", base)
      sub(/\.cc$/, "_test.cc", base)
      tested = ("tests/e2e/" base) in tests
      while (sub(/\/[^\/]*$/, "", dir)) if (("tests/" dir "/" base) in tests) tested = 1
      if (path in exceptions) {
        used[path] = 1
        if (tested) { print "tests/untested.txt: " path " has a test"; broken = 1 }
      } else if (!tested) {
        print path ": no test of that name (" base ")"
        broken = 1
      }
    }
    END {
      for (path in exceptions) if (!(path in used) && system("test -f \"" path "\"") != 0) {
        print "tests/untested.txt: there is no " path
        broken = 1
      }
      exit broken
    }'
}

# expect pass|fail WHAT: judges the tree as it is, then makes a clean one for the next case.
expect() {
  if output=$(check_tree "$tree" 2>&1); then got=pass; else got=fail; fi
  if [ "$got" != "$1" ]; then
    echo "self-test: expected $1, found $got: $2"
    printf '%s\n' "$output"
    failed=1
  fi
  rm -rf "$tree"
  mkdir -p "$tree/src/base" "$tree/src/moe" "$tree/src/serve" "$tree/src/cli" "$tree/include/moiety" \
    "$tree/examples" "$tree/tests/base" "$tree/tests/moe"
  : >"$tree/src/base/a.h"
  printf '#include "base/a.h"\n#include <moiety/status.h>\n' >"$tree/src/base/a.cc"
  printf '#include <nlohmann/json.hpp>\n#include "base/a.h"\n' >"$tree/src/moe/b.h"
  : >"$tree/tests/base/a_test.cc"
  : >"$tree/tests/untested.txt"
}

self_test() {
  scratch=$(mktemp -d) || exit 2
  trap 'rm -rf "$scratch"' EXIT
  tree=$scratch/tree
  failed=0
  mkdir -p "$tree"
  expect fail "an empty tree"
  expect pass "a clean tree"
  echo '#include "moe/b.h"' >"$tree/src/base/a.h"
  expect fail "an include that goes down"
  echo '  # include "serve/x.h"' >"$tree/src/moe/b.h"
  expect fail "the same, with blanks"
  mkdir "$tree/src/train"; echo '#include "serve/x.h"' >"$tree/src/train/x.h"
  expect fail "train includes serve"
  printf '#include "serve/x.h"\n#include "train/x.h"\n#include "moiety/engine.h"\n' >"$tree/src/cli/x.h"
  expect pass "cli includes everything"
  echo '#include "b.h"' >"$tree/src/moe/c.h"
  expect fail "an include without its folder"
  echo '#include "moiety/engine.h"' >"$tree/src/moe/b.h"
  expect pass "a folder includes a public header"
  echo '#include "moiety/engine.h"' >"$tree/src/base/a.h"
  expect fail "base includes a public header that is not status.h"
  mkdir "$tree/src/utils"; : >"$tree/src/utils/x.h"
  expect fail "a folder that is not in the list"
  echo '#include "base/a.h"' >"$tree/include/moiety/engine.h"
  expect fail "a public header includes a private one"
  echo '#include "base/a.h"' >"$tree/examples/run.cc"
  expect fail "an example includes a private header"
  awk 'BEGIN { for (i = 0; i < 801; ++i) print "//" }' >"$tree/src/moe/long.h"
  expect fail "a long file"
  awk 'BEGIN { for (i = 0; i < 801; ++i) print "//" }' >"$tree/src/moe/long_table.h"
  expect pass "a long table"
  : >"$tree/src/moe/d.cc"
  expect fail "a source without a test"
  mkdir "$tree/src/moe/sub"; : >"$tree/src/moe/sub/d.cc"; : >"$tree/tests/moe/d_test.cc"
  expect pass "a test one folder above"
  : >"$tree/src/moe/a.cc"
  expect fail "a test of that name in another folder"
  : >"$tree/src/moe/d.cc"; echo 'src/moe/d.cc  only a list' >"$tree/tests/untested.txt"
  expect pass "an exception"
  : >"$tree/src/moe/d.cc"; echo 'src/moe/d.cc' >"$tree/tests/untested.txt"
  expect fail "an exception without a reason"
  echo 'src/moe/gone.cc  only a list' >"$tree/tests/untested.txt"
  expect fail "an exception for no file"
  echo 'src/base/a.cc  only a list' >"$tree/tests/untested.txt"
  expect fail "an exception for a tested file"
  return $failed
}

case ${1:-} in
  --self-test) self_test ;;
  '') check_tree "$(dirname -- "$(readlink -f -- "$0")")/.." ;;
  *) check_tree "$1" ;;
esac
