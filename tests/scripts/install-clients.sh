#!/usr/bin/env bash
# Installs the B2 clients that tests/interop_clients.rs drives: Backblaze's Python library and `b2`
# from PyPI into a virtual environment of their own, rclone and curl from Debian's packages. Quick
# when everything is there already.
#
# The environment is made in $B2SDK_INTEROP_VENV, otherwise $CI_CACHE/interop-venv, otherwise
# target/interop-venv; the tests look for it in the same order.
set -euo pipefail

# The versions that the tests were written against: a new release must not turn a build red. Those
# after them insist on a certifi of their own week, which a mirror may not have yet.
readonly PINS=(b2sdk==2.13.1 b2==5.0.0)

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
venv=${B2SDK_INTEROP_VENV:-${CI_CACHE:-$root/target}/interop-venv}

# Prints the Debian packages that are still needed.
missing_packages() {
    command -v rclone >/dev/null || echo rclone
    command -v curl >/dev/null || echo curl
    # Debian's python3 comes without the module that puts pip into a new environment.
    python3 -c 'import ensurepip, venv' 2>/dev/null || echo python3-venv
}

install_packages() {
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        echo "install-clients: please install: $*" >&2
        exit 1
    fi
    apt-get -qq update </dev/null
    DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends "$@" </dev/null >&2
}

# Whether the environment works and was made for these pins: one of a half-finished run, or of a
# Python that is gone, is made anew.
venv_is_current() {
    [ "$(cat "$venv/pins" 2>/dev/null)" = "${PINS[*]}" ] && "$venv/bin/python" -c 'import b2sdk'
}

make_venv() {
    rm -rf "$venv"
    mkdir -p "$(dirname "$venv")"
    python3 -m venv "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "${PINS[@]}"
    # Last, so that it says "complete".
    echo "${PINS[*]}" >"$venv/pins"
}

mapfile -t packages < <(missing_packages)
if [ ${#packages[@]} -gt 0 ]; then
    install_packages "${packages[@]}"
fi
venv_is_current || make_venv

"$venv/bin/python" -c 'import b2sdk.v3 as v3; print("b2sdk (Python)", v3.VERSION)'
echo "b2 $("$venv/bin/b2" version --short)"
# Not `| head -1`: a writer whose reader is gone fails the script.
for client in rclone curl; do
    mapfile -t lines < <("$client" --version)
    echo "${lines[0]}"
done
