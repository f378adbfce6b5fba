#!/bin/sh
# Makes SoftHSM2, pkcs11-tool, openssl and curl available and writes where they are to var/softhsm/env.
# What is installed is used; else root (or sudo that asks no password) installs the distribution's
# packages; else they are fetched with apt and unpacked below var/softhsm, for this project only.
# Nothing here reads or writes the user's own SoftHSM configuration. More: softhsm-config/README.md.
set -eu
cd "$(dirname "$0")/.."
home=$PWD/var/softhsm
unpacked=$home/unpacked
bin=$home/bin
log=$home/bootstrap.log
packages=
. softhsm-config/packages.sh

# --- what there is -----------------------------------------------------------------------------

already_done() { # the file of an earlier run names everything, and all of it still exists
  [ -r "$home/env" ] && [ "$(grep -c '^KAGIMORI_' "$home/env")" = 6 ] || return 1
  while IFS='=' read -r name path; do
    case $name in KAGIMORI_*) [ -r "$path" ] || return 1 ;; esac
  done <"$home/env"
}

system_module() {
  first_readable /usr/lib/softhsm/libsofthsm2.so /usr/lib/*/softhsm/libsofthsm2.so \
    /usr/lib64/softhsm/libsofthsm2.so /usr/lib64/pkcs11/libsofthsm2.so /usr/local/lib/softhsm/libsofthsm2.so \
    /opt/homebrew/lib/softhsm/libsofthsm2.so
}

system_spy() { # logs every PKCS#11 call between a test and the module; comes with opensc
  first_readable /usr/lib/pkcs11-spy.so /usr/lib/*/pkcs11-spy.so /usr/lib64/pkcs11-spy.so \
    /usr/local/lib/pkcs11-spy.so /opt/homebrew/lib/pkcs11-spy.so
}

find_on_system() {
  module=$(system_module) && spy=$(system_spy) && util=$(command -v softhsm2-util) && tool=$(command -v pkcs11-tool) &&
    openssl=$(command -v openssl) && curl=$(command -v curl)
}

missing_packages() { # by the names Debian gives them
  { system_module && command -v softhsm2-util; } >/dev/null || printf 'softhsm2 '
  { system_spy && command -v pkcs11-tool; } >/dev/null || printf 'opensc '
  command -v openssl >/dev/null || printf 'openssl '
  command -v curl >/dev/null || printf 'curl '
}

find_unpacked() { # a tool that the distribution has installed is used as it is
  module=$(first_readable "$unpacked"/usr/lib/softhsm/libsofthsm2.so "$unpacked"/usr/lib/*/softhsm/libsofthsm2.so) ||
    module=$(system_module) || return 1
  spy=$(first_readable "$unpacked"/usr/lib/pkcs11-spy.so "$unpacked"/usr/lib/*/pkcs11-spy.so) ||
    spy=$(system_spy) || return 1
  util=$(wrapper softhsm2-util --module "$module") && tool=$(wrapper pkcs11-tool) &&
    openssl=$(wrapper openssl) && curl=$(wrapper curl)
}

works() { # a throw-away token is made, listed, and the module loads into Python
  trial=$(mktemp -d) && result=1
  mkdir "$trial/tokens" && sed "s|@TOKENS@|$trial/tokens|" softhsm-config/softhsm2.conf.in >"$trial/softhsm2.conf"
  SOFTHSM2_CONF=$trial/softhsm2.conf && export SOFTHSM2_CONF
  if "$util" --init-token --free --label trial --pin 1234 --so-pin 12345678 &&
    "$tool" --module "$module" --list-token-slots | grep -q 'trial' &&
    "${PYTHON:-python3}" -c 'import ctypes, sys; [ctypes.CDLL(path) for path in sys.argv[1:]]' "$module" "$spy" &&
    "$openssl" version && "$curl" --version; then result=0; fi >>"$log" 2>&1
  unset SOFTHSM2_CONF
  rm -rf "$trial"
  return $result
}

# --- the order of trying -----------------------------------------------------------------------

write_env() {
  printf '%s\n' "KAGIMORI_SOFTHSM_MODULE=$module" "KAGIMORI_SOFTHSM2_UTIL=$util" \
    "KAGIMORI_PKCS11_TOOL=$tool" "KAGIMORI_PKCS11_SPY=$spy" "KAGIMORI_OPENSSL=$openssl" \
    "KAGIMORI_CURL=$curl" >"$home/env.$$"
  mv "$home/env.$$" "$home/env"
}

already_done && exit 0
mkdir -p "$home"
: >"$log"
packages=$(missing_packages)
if find_on_system && works; then write_env
elif install_packages && find_on_system && works; then write_env
elif unpack_packages && find_unpacked && works; then write_env
else
  echo "bootstrap: no working SoftHSM2; install softhsm2, opensc, openssl and curl and run this again (what was tried: $log)" >&2
  exit 1
fi
