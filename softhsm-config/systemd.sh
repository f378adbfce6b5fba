#!/bin/sh
# Makes systemd's tools available that judge the units in the tests (systemd-analyze, systemd-socket-activate,
# systemd-sysusers). Only `make test` wants them, and none of them needs a systemd that runs. They are got as
# bootstrap.sh gets SoftHSM2.
set -eu
cd "$(dirname "$0")/.."
home=$PWD/var/softhsm
unpacked=$home/unpacked-systemd
bin=$home/systemd-bin
log=$home/systemd.log
packages='systemd '
tools='systemd-analyze systemd-socket-activate systemd-sysusers'
. softhsm-config/packages.sh

works() { # PATH is looked through last
  for tool in $tools; do
    PATH=$PATH:$bin command -v "$tool" >/dev/null && PATH=$PATH:$bin "$tool" --version >/dev/null 2>>"$log" || return 1
  done
}

wrap() { # Debian keeps some of them in /bin
  for tool in $tools; do
    [ -e "$unpacked/usr/bin/$tool" ] || ln -s "../../bin/$tool" "$unpacked/usr/bin/$tool"
    wrapper "$tool" >/dev/null
  done
}

mkdir -p "$home"
works && exit 0
: >"$log"
if install_packages && works; then :
elif unpack_packages && wrap && works; then :
else
  echo "systemd: its tools are not there; install the package systemd and run this again (what was tried: $log)" >&2
  exit 1
fi
