# Ways to get the distribution's packages; for the scripts beside this one, which set, before they read this:
#   home: where everything of theirs is kept   log: what is appended to   packages: names, each followed by a space
#   unpacked: where packages go that cannot be installed   bin: where the wrappers of unpacked tools go

first_readable() {
  for candidate; do
    [ -r "$candidate" ] && printf '%s\n' "$candidate" && return 0
  done
  return 1
}

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

install_packages() {
  command -v apt-get >/dev/null && as_root true 2>/dev/null || return 1
  echo "Installing the packages: $packages(once)"
  apt_install="env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=120 --no-install-recommends install $packages"
  as_root $apt_install >>"$log" 2>&1 || { as_root apt-get -q update && as_root $apt_install; } >>"$log" 2>&1
}

apt_here() { # apt with its own cache; "own" as first word: with its own package lists too
  if [ "$1" = own ]; then shift && set -- -o "Dir::State::lists=$home/apt/lists" "$@"; fi
  apt-get -q -y -o Debug::NoLocking=1 -o APT::Sandbox::User= -o "Dir::Cache=$home/apt/cache" --no-install-recommends \
    "$@" >>"$log" 2>&1
}

unpack_packages() {
  command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || return 1
  echo "Unpacking below var/softhsm the packages: $packages(once)"
  rm -rf "$home/apt" "$unpacked" "$bin"
  mkdir -p "$home/apt/cache/archives/partial" "$home/apt/lists/partial" "$unpacked"
  apt_here install --download-only $packages ||
    { apt_here own update && apt_here own install --download-only $packages; } || return 1
  for package in "$home"/apt/cache/archives/*.deb; do
    dpkg-deb -x "$package" "$unpacked" || return 1
  done
  rm -rf "$home/apt"
}

unpacked_libraries() { # folders for LD_LIBRARY_PATH
  find "$unpacked" -name '*.so*' -exec dirname {} \; | sort -u | paste -s -d :
}

wrapper() { # NAME [ARGUMENT…]: only this tool sees the unpacked libraries; Python and everything else do not
  [ -x "$unpacked/usr/bin/$1" ] || { command -v "$1"; return; }
  name=$1
  libraries=$(unpacked_libraries)
  mkdir -p "$bin"
  shift
  {
    printf '#!/bin/sh\nLD_LIBRARY_PATH="%s${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" exec "%s"' "$libraries" "$unpacked/usr/bin/$name"
    for argument; do printf ' "%s"' "$argument"; done
    printf ' "$@"\n'
  } >"$bin/$name"
  chmod +x "$bin/$name"
  printf '%s\n' "$bin/$name"
}
