#!/bin/sh
# launcher.sh: tests ./moiety and its set-up in a small tree of its own, with stand-ins for the
# package tools. Prints "pass NAME" or "fail NAME" for each test; fails if one failed.
set -u
unset MOIETY_NO_INSTALL
root=$(readlink -f -- "$0")
root=${root%/*/*}
scratch=$(mktemp -d) || exit 2
trap 'rm -rf "$scratch"' EXIT
tree="$scratch/a tree"
mkdir -p "$tree/cmake" "$tree/src" "$tree/include"
cp "$root/moiety" "$tree/"
cp "$root/cmake/setup.sh" "$tree/cmake/"
cat >"$tree/CMakeLists.txt" <<'END'
cmake_minimum_required(VERSION 3.25)
project(launcher_test LANGUAGES CXX)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
file(GLOB sources CONFIGURE_DEPENDS src/*.cc)
add_executable(moiety ${sources})
END
cat >"$tree/CMakePresets.json" <<'END'
{"version": 6, "configurePresets": [
  {"name": "release", "generator": "Ninja", "binaryDir": "${sourceDir}/build/${presetName}"}]}
END
# Prints its arguments, then stdin, and ends with code 7.
program() {
  cat <<END
#include <cstdio>
int main(int argc, char** argv) {
  std::printf("$1");
  for (int i = 1; i < argc; ++i) std::printf(" [%s]", argv[i]);
  for (int c; (c = std::getchar()) != EOF;) std::putchar(c);
  return 7;
}
END
}
program one >"$tree/src/main.cc"

# A folder of commands without the package tools, and stand-ins for those: a package is installed
# when its name is in the file "installed", and "log" gets what is asked of apt-get and cmake.
tools=$scratch/tools
mkdir "$tools"
for folder in /bin /usr/bin /usr/local/bin; do ln -sf "$folder"/* "$tools/"; done
fake() { rm -f "$tools/$1"; cat >"$tools/$1"; chmod +x "$tools/$1"; }
fake dpkg-query <<END
#!/bin/sh
for package; do :; done
grep -qx "\$package" "$scratch/installed" && echo installed
END
fake apt-get <<END
#!/bin/sh
echo "apt-get \$*" >>"$scratch/log"
echo "apt-get talks"
if [ -e "$scratch/no_lists" ]; then
  case \$* in *update) rm "$scratch/no_lists"; exit 0 ;; *) exit 100 ;; esac
fi
[ ! -e "$scratch/apt_fails" ] || exit 100
for package; do echo "\$package" >>"$scratch/installed"; done
END
fake cmake <<END
#!/bin/sh
echo "cmake" >>"$scratch/log"
exit 1
END
fake sudo <<END
#!/bin/sh
echo "sudo" >>"$scratch/log"
exec "\$@"
END
fake id <<END
#!/bin/sh
cat "$scratch/user"
END

failed=0
# verdict NAME CODE
verdict() {
  if [ "$2" = 0 ]; then echo "pass $1"; else
    echo "fail $1"
    sed 's/^/    /' "$scratch/stderr" | tail -n 20
    failed=1
  fi
}

# run [ARG…]: the launcher; sets out, err, code and builds, the number of builds it made.
run() {
  out=$("$launcher" "$@" 2>"$scratch/stderr" </dev/null)
  code=$?
  err=$(cat "$scratch/stderr")
  builds=$(grep -c '^Building moiety' "$scratch/stderr")
}
launcher=$tree/moiety

# Packages. The stand-in for cmake fails, so these end before a build.

# with_tools INSTALLED USER: the launcher's first use with the stand-ins, all output in stderr and log.
with_tools() {
  printf '%s\n' $1 >"$scratch/installed"
  echo "$2" >"$scratch/user"
  rm -rf "$scratch/log" "$tree/build"
  : >"$scratch/log"
  out=$(PATH=$tools "$launcher" 2>"$scratch/stderr")
  code=$?
  log=$(tr '\n' ';' <"$scratch/log")
}
install="apt-get -o DPkg::Lock::Timeout=600 install -y --no-install-recommends"
update="apt-get -o DPkg::Lock::Timeout=600 update"
all="g++ cmake ninja-build nlohmann-json3-dev libcli11-dev libfmt-dev libpcre2-dev libutf8proc-dev libedit-dev"
all="$all libtomlplusplus-dev zlib1g-dev libzstd-dev liburing-dev"

with_tools "g++ cmake ninja-build" 0
[ "$log" = "$install ${all#g++ cmake ninja-build };cmake;" ] && [ -z "$out" ] &&
  grep -q "apt-get install -y .* libfmt-dev .* libedit-dev" "$scratch/stderr"
verdict "installs what is missing, and says so" $?
with_tools "$all" 0
[ "$log" = "cmake;" ] && [ "$code" = 1 ] && grep -q libfmt-dev "$scratch/stderr"
verdict "installs nothing when all is there" $?
: >"$scratch/no_lists"
with_tools "g++" 0
[ "$log" = "$install ${all#g++ };$update;$install ${all#g++ };cmake;" ]
verdict "updates the package lists once when they are missing" $?
: >"$scratch/apt_fails"
with_tools "g++" 0
rm "$scratch/apt_fails"
[ "$code" = 1 ] && case $log in *cmake\;) false ;; esac
verdict "ends when packages cannot be installed" $?
with_tools "g++" 1000
[ "$log" = "sudo;$install ${all#g++ };cmake;" ]
verdict "uses sudo when not root" $?
mv "$tools/sudo" "$scratch/sudo"
with_tools "g++" 1000
[ "$code" = 1 ] && [ -z "$log" ] && grep -q "apt-get update && apt-get install .* ${all#g++ }" "$scratch/stderr"
verdict "names the command when there is no sudo" $?
export MOIETY_NO_INSTALL=1
with_tools "" 1000
unset MOIETY_NO_INSTALL
[ "$log" = "cmake;" ]
verdict "installs nothing with MOIETY_NO_INSTALL" $?
mv "$tools/apt-get" "$scratch/apt-get"
with_tools "" 1000
[ "$log" = "cmake;" ] && grep -q "$all" "$scratch/stderr"
verdict "names the packages where there is no apt-get, and builds" $?

# Building.

export MOIETY_NO_INSTALL=1
rm -rf "$tree/build"
for user in 1 2; do
  { "$launcher" "$user" </dev/null >"$scratch/out$user" 2>"$scratch/err$user"; echo $? >>"$scratch/out$user"; } &
done
wait
cp "$scratch/err1" "$scratch/stderr"
[ "$(cat "$scratch/out1" "$scratch/out2" | tr '\n' ';')" = "one [1]7;one [2]7;" ] &&
  [ "$(cat "$scratch/err1" "$scratch/err2" | grep -c '^Building moiety')" = 1 ]
verdict "two first uses at once build once" $?

run "a b" '' '*'
[ "$out" = "one [a b] [] [*]" ] && [ "$code" = 7 ] && [ -z "$err" ]
verdict "passes arguments and exit code on, and is silent" $?
[ "$(echo text | "$launcher")" = "onetext" ]
verdict "passes stdin on" $?
ln -s "../a tree/moiety" "$scratch/tools/moiety_link"
[ "$(cd / && PATH=$tools:$PATH moiety_link x </dev/null)" = "one [x]" ]
verdict "starts through a link and from another folder" $?

# A start's own cost: the time of 20 starts less that of the program alone.
cost() {
  for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do "$@" </dev/null >/dev/null; done
}
ms() { echo $(($(date +%s%N) / 1000000)); }
began=$(ms); cost "$launcher"; with=$(ms)
cost "$tree/build/release/bin/moiety"; without=$(ms)
overhead=$(((with - began - (without - with)) / 20))
[ "$overhead" -lt 100 ]
verdict "adds little to a start: $overhead ms" $?

program two >"$tree/src/main.cc"
run
[ "$out" = "two" ] && [ "$builds" = 1 ]
verdict "builds a changed source" $?
run
[ "$out" = "two" ] && [ "$builds" = 0 ]
verdict "does not build it again" $?
echo 'const char* Name() { return "three"; }' >"$tree/src/name.cc"
sed -e 's/^int main/const char* Name();\n&/' -e 's/printf("two")/printf("%s", Name())/' "$tree/src/main.cc" >"$scratch/main"
cat "$scratch/main" >"$tree/src/main.cc"
run
[ "$out" = "three" ]
verdict "builds an added source" $?
mv "$tree/src/name.cc" "$scratch/name.cc"
run
[ "$code" = 1 ] && [ -z "$out" ] && case $err in *Name*) true ;; *) false ;; esac
verdict "a removed source is noticed, and the error shown" $?
run
[ "$code" = 1 ] && [ -z "$out" ]
verdict "no old program runs after a failed build" $?
mv "$scratch/name.cc" "$tree/src/name.cc"
run
[ "$out" = "three" ] && [ "$code" = 7 ]
verdict "builds again after the repair" $?
echo 'const char* Name() { return unknown_word; }' >"$tree/src/name.cc"
run
[ "$code" = 1 ] && [ -z "$out" ] && case $err in *unknown_word*) true ;; *) false ;; esac
verdict "shows the compiler's error" $?
echo 'const char* Name() { return "four"; }' >"$tree/src/name.cc"
run
cp -r "$tree" "$scratch/copy"
echo 'const char* Name() { return "five"; }' >"$scratch/copy/src/name.cc"
launcher=$scratch/copy/moiety
run
[ "$out" = "five" ] && [ "$("$tree/moiety" </dev/null 2>/dev/null)" = "four" ]
verdict "a copied tree builds itself" $?

exit $failed
