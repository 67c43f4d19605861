#!/bin/sh
# Runs a browser test with what it needs: Debian's Chromium, its driver, and Selenium in a
# virtual environment of its own.
#
#   tests/tools/browser.sh tests/tools/browser_report.py ARGS...
#
# Installs what is missing; Chromium needs root for that, once.
set -eu

packages="chromium chromium-driver fonts-dejavu-core"
missing=""
for package in $packages; do
    state=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
    [ "$state" = "install ok installed" ] || missing="$missing $package"
done
if [ -n "$missing" ]; then
    if [ "$(id -u)" != 0 ]; then
        echo "browser.sh: missing$missing; run it once as root to install them" >&2
        exit 1
    fi
    apt-get update -qq
    # shellcheck disable=SC2086 # a list of packages
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
fi

# One environment for all clones; made whole or not at all.
version=4.36.0
env=${XDG_CACHE_HOME:-$HOME/.cache}/bnn-cpu-selenium-$version
if [ ! -x "$env/bin/python" ] || [ ! -e "$env/complete" ]; then
    rm -rf "$env"
    python3 -m venv "$env"
    "$env/bin/pip" install --quiet --disable-pip-version-check "selenium==$version"
    touch "$env/complete"
fi
exec "$env/bin/python" "$@"
