# What ./moiety and ./check share: packages, locks, configuring and building. Sourced by a POSIX
# shell that has set `root` to the source tree. Talks on stderr only and never reads stdin.
# shellcheck shell=sh disable=SC2154

# What the product is built from.
# shellcheck disable=SC2034  # used by the scripts that source this
build_packages="g++ cmake ninja-build nlohmann-json3-dev libcli11-dev libfmt-dev"
build_packages="$build_packages libpcre2-dev libutf8proc-dev libedit-dev libtomlplusplus-dev"
build_packages="$build_packages zlib1g-dev libzstd-dev liburing-dev"

say() { printf '%s\n' "$*" >&2; }

# lock NAME … unlock: one process at a time does this in this tree. Where there is no flock (it
# belongs to every Debian), nothing is locked. The lock ends with the process at the latest.
lock() {
  mkdir -p "$root/build"
  command -v flock >/dev/null 2>&1 || return 0
  exec 9>"$root/build/$1.lock"
  flock -n 9 && return 0
  say "moiety: another process is at work on build/$1; waiting for it"
  flock 9
}

unlock() { exec 9>&-; }

# Prints those of the named packages that are not installed. "a|b": either will do, a is preferred.
missing_packages() {
  for choice; do
    found=
    for package in $(printf '%s' "$choice" | tr '|' ' '); do
      # shellcheck disable=SC2016  # dpkg-query's own syntax
      dpkg-query -W -f='${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed && found=1
    done
    [ -n "$found" ] || printf '%s ' "${choice%%|*}"
  done
}

# need_packages PACKAGE…: installs what is missing of them; fails if that is needed and not possible.
need_packages() {
  [ "${MOIETY_NO_INSTALL:-0}" != 1 ] || return 0
  if ! command -v apt-get >/dev/null 2>&1; then
    say "moiety: there is no apt-get here, so nothing gets installed. The build needs what Debian calls:"
    say "    $*"
    return 0
  fi
  missing=$(missing_packages "$@")
  [ -n "$missing" ] || return 0

  command="apt-get install -y --no-install-recommends ${missing% }"
  become=
  if [ "$(id -u)" != 0 ]; then
    if ! command -v sudo >/dev/null 2>&1; then
      say "moiety: these packages are missing: ${missing% }"
      say "Run this as root, then start again (MOIETY_NO_INSTALL=1 goes on without):"
      say "    apt-get update && $command"
      return 1
    fi
    become=sudo
  fi
  say "moiety: installing ${missing% }"
  say "    ${become:+$become }$command"
  if ! install_packages "$@"; then
    say "moiety: the packages could not be installed (MOIETY_NO_INSTALL=1 goes on without)"
    return 1
  fi
}

# foreign_architecture NAME: allows packages of another architecture beside the machine's own.
foreign_architecture() {
  [ "${MOIETY_NO_INSTALL:-0}" != 1 ] || return 0
  if ! command -v dpkg >/dev/null 2>&1 || dpkg --print-foreign-architectures | grep -qx "$1"; then return 0; fi
  become=
  if [ "$(id -u)" != 0 ]; then become=sudo; fi
  $become dpkg --add-architecture "$1" && apt_get update
}

# A subshell, so that its lock leaves the caller's alone.
install_packages() (
  lock packages
  missing=$(missing_packages "$@")  # whoever held the lock may have installed them
  [ -n "$missing" ] || exit 0
  # shellcheck disable=SC2086  # a list
  apt_get install -y --no-install-recommends $missing && exit 0
  say "moiety: that failed; trying again with fresh package lists"
  # shellcheck disable=SC2086
  apt_get update && apt_get install -y --no-install-recommends $missing
)

apt_get() {
  $become env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 "$@" </dev/null >&2 9>&-
}

# How many compilers at a time: one per processor, each with a gigabyte of memory.
build_jobs() {
  jobs=$(nproc 2>/dev/null || echo 2)
  fit=$(awk '/^MemAvailable:/ { print int($2 / 1000000) }' /proc/meminfo 2>/dev/null)
  [ "${fit:-$jobs}" -ge "$jobs" ] || jobs=$((fit > 0 ? fit : 1))
  echo "$jobs"
}

# logged LOG COMMAND…: runs it, appends what it prints to LOG and shows how far it is: lines that
# start with [3/80] (ninja) or 3/80 (ctest), in place on a terminal, about ten of them elsewhere.
logged() {
  log=$1
  shift
  {
    "$@" </dev/null 2>&1 9>&-
    echo $? >"$log.status"
  } | {
    if [ -t 2 ]; then start='\r' end='\033[K'; else start='' end='\n'; fi
    tenth=-1
    while IFS= read -r line; do
      printf '%s\n' "$line"
      set -f
      # shellcheck disable=SC2086  # takes the words apart
      set -- ${line%%]*}
      set +f
      count=${1:-}
      count=${count#[}
      case $count in
        [1-9]*/*[0-9]) ;;
        *) continue ;;
      esac
      case $count in *[!0-9/]* | */*/*) continue ;; esac
      now=$((10 * ${count%/*} / ${count#*/}))
      if [ -t 2 ] || [ "$now" -gt "$tenth" ]; then
        tenth=$now
        # shellcheck disable=SC2059  # the format is ours
        printf "$start%.98s$end" "$line" >&2
      fi
    done >>"$log"
    # shellcheck disable=SC2059
    if [ -t 2 ]; then printf "$start$end" >&2; fi
  }
  status=$(cat "$log.status")
  rm -f "$log.status"
  return "$status"
}

# build_preset PRESET "TARGET…" [-D…]: configures and builds it in build/PRESET ("all" for everything).
# On failure prints the last lines of the output; all of it is in build/PRESET.log.
build_preset() {
  preset=$1
  targets=$2
  shift 2
  # A tree that was copied together with its build folder must not build the other tree.
  if [ -e "$root/build/$preset/CMakeCache.txt" ] &&
    ! grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$root" "$root/build/$preset/CMakeCache.txt"; then
    rm -rf "$root/build/$preset"
  fi
  mkdir -p "$root/build"
  log=$root/build/$preset.log
  : >"$log"
  say "Building moiety ($preset)"
  if ! (cd "$root" && logged "$log" cmake --preset "$preset" "$@"); then
    tail -n 30 "$log" >&2
    say "moiety: configuring failed; the whole output is in $log"
    say "The build needs these Debian packages: $build_packages"
    return 1
  fi
  # shellcheck disable=SC2086  # a list
  if ! logged "$log" cmake --build "$root/build/$preset" -j "$(build_jobs)" --target $targets; then
    # What cmake and ninja say, and the command line after each "FAILED:", would hide the errors.
    sed -e '1,/^-- Build files have been written to/d' -e '/^\[[0-9]*\/[0-9]*\] /d' -e '/^FAILED: /{n;d;}' "$log" | tail -n 40 >&2
    say "moiety: the build failed; the whole output is in $log"
    return 1
  fi
}
