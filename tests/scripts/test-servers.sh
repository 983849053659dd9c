#!/usr/bin/env bash
# The tests of stores on real servers. They need redis-server (Debian: redis-server) and
# fail without it. Arguments go to the test program, such as the names of tests.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
command -v redis-server >/dev/null || { echo "redis-server is not installed" >&2; exit 1; }
exec timeout 1800 cargo test --all-features --test servers -- --include-ignored "$@"
