#!/usr/bin/env bash
# The tests of stores on real servers. They need redis-server and a PostgreSQL server (Debian: redis-server,
# postgresql) and fail without. Each test starts servers of its own; where root runs it, PostgreSQL runs as
# nobody. Arguments go to the test program, such as the names of tests.
#
# The fleets in full (8 processes of 3 clocks, 1,000 uploads each), about 15 minutes:
#
#   B2SDK_FULL_ROUNDS=1 tests/scripts/test-servers.sh a_fleet
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
die() {
    echo "$*" >&2
    exit 1
}
command -v redis-server >/dev/null || die "redis-server is not installed"
command -v postgres >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null ||
    die "a PostgreSQL server is not installed"
exec timeout 1800 cargo test --all-features --test servers -- --include-ignored "$@"
