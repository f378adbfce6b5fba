#!/bin/sh
# Makes a C compiler available, for the tests' faulty token (tests/faults/shim), and writes where it is to
# var/softhsm/compiler. Only `make test` wants it. It is got as bootstrap.sh gets SoftHSM2.
set -eu
cd "$(dirname "$0")/.."
home=$PWD/var/softhsm
unpacked=$home/unpacked-compiler
bin=$home/compiler-bin
log=$home/compiler.log
packages='gcc libc6-dev '
. softhsm-config/packages.sh

already_done() {
  [ -r "$home/compiler" ] && [ -x "$(cat "$home/compiler")" ]
}

find_on_system() {
  compiler=$(command -v cc || command -v gcc)
}

find_unpacked() { # the compiler finds its own parts beside it, but headers and assembler only if told
  include=$unpacked/usr/include
  machine=$(find "$include" -mindepth 2 -maxdepth 2 -name bits | head -n 1)
  set -- "-B$unpacked/usr/bin" -isystem "$include" -isystem "${machine%/bits}"
  compiler=$(wrapper gcc "$@")
}

works() { # a small module is compiled as the shim is, and Python calls it
  trial=$(mktemp -d) && result=1
  printf '#include <stdlib.h>\n#include <sys/stat.h>\nint answer(void) { return atoi("42"); }\n' >"$trial/trial.c"
  if "$compiler" -shared -fPIC -nostdlib -o "$trial/trial.so" "$trial/trial.c" -l:libc.so.6 -lgcc &&
    "${PYTHON:-python3}" -c 'import ctypes, sys; sys.exit(ctypes.CDLL(sys.argv[1]).answer() != 42)' "$trial/trial.so"; then
    result=0
  fi >>"$log" 2>&1
  rm -rf "$trial"
  return $result
}

write_compiler() {
  printf '%s\n' "$compiler" >"$home/compiler.$$"
  mv "$home/compiler.$$" "$home/compiler"
}

already_done && exit 0
mkdir -p "$home"
: >"$log"
if find_on_system && works; then write_compiler
elif install_packages && find_on_system && works; then write_compiler
elif unpack_packages && find_unpacked && works; then write_compiler
else
  echo "compiler: no working C compiler; install gcc and libc6-dev and run this again (what was tried: $log)" >&2
  exit 1
fi
