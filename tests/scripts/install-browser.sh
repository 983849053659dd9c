#!/usr/bin/env bash
# Installs the browser that tests/interop_browser.rs drives: Chromium, from Debian's packages. Quick
# when it is there already.
set -euo pipefail

if ! command -v chromium >/dev/null; then
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        echo "install-browser: please install chromium" >&2
        exit 1
    fi
    apt-get -qq update </dev/null
    DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends chromium </dev/null >&2
fi
chromium --version
