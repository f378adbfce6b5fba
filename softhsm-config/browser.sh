#!/bin/sh
# Makes a browser available, for the tests of the pages (tests/browser), and writes where it is to var/softhsm/browser:
# Chromium, its WebDriver, and axe-core, which finds what keeps people from using a page. Only `make test` wants it.
# Browser and fonts are got as bootstrap.sh gets SoftHSM2; axe-core comes from the package index, by its hash.
set -eu
cd "$(dirname "$0")/.."
home=$PWD/var/softhsm
unpacked=$home/unpacked-browser
bin=$home/browser-bin
log=$home/browser.log
axe=$home/axe.min.js
packages='chromium chromium-driver fonts-noto-cjk '
. softhsm-config/packages.sh

already_done() { # and axe-core is the one that axe.lock asks for
  [ -r "$home/browser" ] && [ "$(grep -c '^KAGIMORI_' "$home/browser")" = 3 ] || return 1
  while IFS='=' read -r name path; do
    [ -r "$path" ] || return 1
  done <"$home/browser"
  cmp -s tests/browser/axe.lock "$home/axe.lock"
}

find_on_system() {
  chromium=$(command -v chromium) && chromedriver=$(command -v chromedriver)
}

# --- without root ------------------------------------------------------------------------------

browser_wrapper() { # FILE: /usr/bin/chromium is a script that looks for everything in /usr, so the program itself is started
  mkdir -p "$bin"
  name=${1##*/}
  printf '#!/bin/sh\nFONTCONFIG_FILE="%s" LD_LIBRARY_PATH="%s${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" exec "%s" "$@"\n' \
    "$unpacked/fonts.conf" "$(unpacked_libraries)" "$1" >"$bin/$name"
  chmod +x "$bin/$name"
  printf '%s\n' "$bin/$name"
}

write_fonts_conf() { # the machine's fonts, and those unpacked
  {
    printf '<?xml version="1.0"?>\n<!DOCTYPE fontconfig SYSTEM "fonts.dtd">\n<fontconfig>\n'
    for conf in "$unpacked/etc/fonts/fonts.conf" /etc/fonts/fonts.conf; do
      printf '<include ignore_missing="yes">%s</include>\n' "$conf"
    done
    printf '<dir>%s</dir>\n<cachedir>%s</cachedir>\n</fontconfig>\n' "$unpacked/usr/share/fonts" "$unpacked/font-cache"
  } >"$unpacked/fonts.conf"
}

find_unpacked() {
  [ -x "$unpacked/usr/lib/chromium/chromium" ] && [ -x "$unpacked/usr/bin/chromedriver" ] || return 1
  write_fonts_conf && chromium=$(browser_wrapper "$unpacked/usr/lib/chromium/chromium") &&
    chromedriver=$(browser_wrapper "$unpacked/usr/bin/chromedriver")
}

# --- what there is must work -------------------------------------------------------------------

write_trial_page() { # two kanji that look the same are two boxes: there is no Japanese font
  cat >"$1" <<'PAGE'
<!DOCTYPE html><meta charset="utf-8"><canvas width="40" height="40"></canvas><p></p><script>
const pen = document.querySelector("canvas").getContext("2d");
const drawn = text => { pen.clearRect(0, 0, 40, 40); pen.font = "32px sans-serif"; pen.fillText(text, 2, 34); return pen.canvas.toDataURL(); };
document.querySelector("p").textContent = drawn("鍵") === drawn("守") ? "no Japanese font" : "the browser works";
</script>
PAGE
}

works() { # driver and browser are of one version, and a page with a script and Japanese text is shown
  trial=$(mktemp -d) && result=1
  write_trial_page "$trial/page.html"
  set -- --headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --disable-background-networking \
    --disable-component-update --disable-sync --no-first-run --disable-quic "--user-data-dir=$trial/profile"
  {
    version=$(HOME=$trial "$chromium" --version | grep -o '[0-9][0-9.]*' | head -n 1) &&
      "$chromedriver" --version | grep -F " $version " &&
      HOME=$trial timeout 120 "$chromium" "$@" --dump-dom "file://$trial/page.html" >"$trial/dom" &&
      cat "$trial/dom" && grep -q '<p>the browser works</p>' "$trial/dom" && result=0
  } >>"$log" 2>&1
  rm -rf "$trial"
  return $result
}

fetch_axe() {
  fetched=$(mktemp -d) && result=1
  if "${PYTHON:-python3}" -m pip download --quiet --disable-pip-version-check --no-input --require-hashes --no-deps \
    --only-binary :all: --dest "$fetched" --requirement tests/browser/axe.lock >>"$log" 2>&1 &&
    "${PYTHON:-python3}" -m zipfile -e "$fetched"/*.whl "$fetched/out" >>"$log" 2>&1; then
    mv "$fetched/out/axe_playwright_python/axe.min.js" "$axe" && cp tests/browser/axe.lock "$home/axe.lock" && result=0
  fi
  rm -rf "$fetched"
  return $result
}

write_browser() {
  printf '%s\n' "KAGIMORI_CHROMIUM=$chromium" "KAGIMORI_CHROMEDRIVER=$chromedriver" "KAGIMORI_AXE=$axe" >"$home/browser.$$"
  mv "$home/browser.$$" "$home/browser"
}

already_done && exit 0
mkdir -p "$home"
: >"$log"
if ! fetch_axe; then
  echo "browser: axe-core could not be fetched; is the package index reachable? (what was tried: $log)" >&2
  exit 1
fi
if find_on_system && works; then write_browser
elif install_packages && find_on_system && works; then write_browser
elif unpack_packages && find_unpacked && works; then write_browser
else
  echo "browser: no working Chromium; install chromium, chromium-driver and fonts-noto-cjk and run this again (what was tried: $log)" >&2
  exit 1
fi
