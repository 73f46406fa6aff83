#!/bin/sh
# Install the servers and the browser that tests start, where that is possible; elsewhere the tests that
# need a missing one are skipped by name (or fail, with CI=true): tests/skips.py lists them.
set -eu

missing=""
PATH="$PATH:/usr/sbin:/sbin"
command -v redis-server >/dev/null || missing="$missing redis-server"
command -v nginx >/dev/null || missing="$missing nginx"
command -v curl >/dev/null || missing="$missing curl"
command -v systemd-analyze >/dev/null || missing="$missing systemd"
# It moves the clock of one process; there is no command to ask for.
ls /usr/lib/*/faketime/libfaketimeMT.so.1 >/dev/null 2>&1 || missing="$missing faketime"
# For `make compiled`: a compiler for C, and the headers of Python where it is Debian's.
command -v cc >/dev/null || missing="$missing gcc libc6-dev"
headers=$("${PYTHON:-.venv/bin/python}" -c 'import sysconfig; print(sysconfig.get_path("include"))' 2>/dev/null || true)
[ -z "$headers" ] || [ -e "$headers/Python.h" ] || missing="$missing python3-dev"
# The browser without its windows; the fonts are for screenshots: without them Chinese is empty boxes.
command -v chromium-headless-shell >/dev/null || command -v chromium >/dev/null ||
    missing="$missing chromium-headless-shell fonts-liberation fonts-wqy-microhei"
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null || [ "$(id -u)" != 0 ]; then
    echo "missing, and not installed without apt-get and root:$missing" >&2
    exit 0
fi
echo "installing$missing (a minute or two)" >&2
export DEBIAN_FRONTEND=noninteractive
export RUNLEVEL=1 # packages do not start their services then: tests start their own
apt-get -qq update </dev/null >/dev/null || true # then what was known before may be there
# Where Debian has no package for the browser without its windows, the whole one.
apt-cache show chromium-headless-shell >/dev/null 2>&1 ||
    missing=$(echo "$missing" | sed 's/chromium-headless-shell/chromium/')
# shellcheck disable=SC2086 # one word is one package
if ! apt-get -qq install -y --no-install-recommends $missing </dev/null >/dev/null; then
    echo "could not be installed:$missing" >&2
fi
