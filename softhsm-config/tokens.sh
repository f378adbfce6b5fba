#!/bin/sh
# Provides the other PKCS#11 tokens that `make conformance` qualifies, and writes where they are to var/tokens/env:
# openCryptoki's soft token (with its slot daemon running) and NSS softokn. What cannot be had is written there as well,
# with the reason; that is no failure here. Only root can provide openCryptoki: its daemon and its token belong to root.
set -eu
cd "$(dirname "$0")/.."
home=$PWD/var/tokens
log=$home/tokens.log
mkdir -p "$home"
: >"$log"

first_readable() {
  for candidate; do
    [ -r "$candidate" ] && printf '%s\n' "$candidate" && return 0
  done
  return 1
}

install_package() { # as root alone; quietly, once
  [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 1
  echo "Installing the package $1 (once)" >&2
  set -- env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=120 --no-install-recommends install "$1"
  "$@" >>"$log" 2>&1 || { apt-get -q update && "$@"; } >>"$log" 2>&1
}

# --- openCryptoki: a module, a daemon that keeps the slots, a token that belongs to root and the group pkcs11 ----

opencryptoki_module() {
  first_readable /usr/lib/*/pkcs11/libopencryptoki.so /usr/lib/pkcs11/libopencryptoki.so \
    /usr/lib64/pkcs11/libopencryptoki.so /usr/lib64/opencryptoki/libopencryptoki.so
}

slots_are_kept() { pkcsconf -t >>"$log" 2>&1; }

start_slot_daemon() { # it makes itself a daemon; the folders are those of its tmpfiles.d
  for folder in /var/lock/opencryptoki /var/lock/opencryptoki/swtok; do
    install -d -m 0770 -g pkcs11 "$folder" || return 1
  done
  pkcsslotd >>"$log" 2>&1 || return 1
  tries=0
  until slots_are_kept; do
    tries=$((tries + 1)) && [ $tries -lt 20 ] || return 1
    sleep 0.5
  done
}

provide_opencryptoki() {
  { opencryptoki_module && command -v pkcsconf; } >/dev/null || install_package opencryptoki || true
  if ! module=$(opencryptoki_module); then
    why="openCryptoki is not installed, and only root can install it (Debian: opencryptoki)"
  elif slots_are_kept; then
    why=
  elif [ "$(id -u)" != 0 ]; then
    why="openCryptoki's pkcsslotd is not running, or not for this user: run this as root, or as one of the group pkcs11"
  elif start_slot_daemon; then
    why= && echo "Started pkcsslotd, which keeps openCryptoki's slots and stays; to end it: kill $(pidof pkcsslotd)" >&2
  else
    why="openCryptoki's pkcsslotd does not start ($log)"
  fi
  [ -n "$why" ] && echo "KAGIMORI_OPENCRYPTOKI_WHY=$why" || echo "KAGIMORI_OPENCRYPTOKI_MODULE=$module"
}

# --- NSS softokn: a library with its database in a folder ---------------------------------------------------------

softokn_module() {
  first_readable /usr/lib/*/libsoftokn3.so /usr/lib/*/nss/libsoftokn3.so /usr/lib64/libsoftokn3.so
}

provide_nss() {
  softokn_module >/dev/null || install_package libnss3 || true
  command -v certutil >/dev/null || install_package libnss3-tools || true
  if ! module=$(softokn_module); then
    echo "KAGIMORI_NSS_WHY=NSS is not installed, and only root can install it (Debian: libnss3)"
  elif ! certutil=$(command -v certutil); then
    echo "KAGIMORI_NSS_WHY=certutil is not installed, and only root can install it (Debian: libnss3-tools)"
  else
    printf '%s\n' "KAGIMORI_NSS_MODULE=$module" "KAGIMORI_CERTUTIL=$certutil"
  fi
}

{ provide_opencryptoki && provide_nss; } >"$home/env.$$"
mv "$home/env.$$" "$home/env"
sed -n 's/^KAGIMORI_[A-Z]*_WHY=/Cannot be tried here: /p' "$home/env"
