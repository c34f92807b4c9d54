#!/usr/bin/env bash
# Everything the demo and the tests need, on a fresh Debian, Ubuntu or macOS machine. Quick when it is all there.
#   scripts/setup.sh          Python packages and Prometheus
#   scripts/setup.sh browser  Chromium as well, and letters for Chinese (the tests that look at the sandbox's page)
set -euo pipefail
cd "$(dirname "$0")/.."

python() {
    for name in python3.13 python3.12 python3.11 python3; do
        if command -v "$name" >/dev/null && "$name" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; then
            echo "$name"
            return
        fi
    done
    echo "Python 3.11, 3.12 or 3.13 is needed: install one and run this again." >&2
    exit 1
}

packages() {
    local stamp=.venv/.requirements
    if [ ! -f "$stamp" ] || ! cmp -s requirements/dev.txt "$stamp"; then
        echo "Setting up .venv (once) ..."
        [ -x .venv/bin/python ] || "$(python)" -m venv .venv
        .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
        .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
        cp requirements/dev.txt "$stamp"
    fi
}

# system PROGRAM PACKAGE: installs a package of the system where that is possible without asking.
system() {
    command -v "$1" >/dev/null && return
    echo "Installing $2 (once) ..."
    local sudo=""
    [ "$(id -u)" -eq 0 ] || sudo="sudo -n"
    if command -v apt-get >/dev/null; then
        if { $sudo apt-get install -y -qq --no-install-recommends "$2" || { $sudo apt-get update -qq && $sudo apt-get install -y -qq --no-install-recommends "$2"; }; } >/dev/null 2>&1; then
            return
        fi
        echo "$1 is needed: sudo apt-get install $2" >&2
    elif command -v brew >/dev/null; then
        brew install --quiet "$2" && return
        echo "$1 is needed: brew install $2" >&2
    else
        echo "$1 is needed: install the package $2 of your system." >&2
    fi
    exit 1
}

packages
system prometheus prometheus
if [ "${1:-}" = browser ] && ! command -v google-chrome >/dev/null; then
    system chromium chromium
fi
# Without one Chinese is drawn as boxes; macOS has its own.
if [ "${1:-}" = browser ] && command -v fc-list >/dev/null && [ -z "$(fc-list :lang=zh-cn family)" ]; then
    system a-font-for-chinese fonts-noto-cjk
fi
