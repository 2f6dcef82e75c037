#!/bin/sh
# Installs the programs that the tests work against, where they are missing and this may be done: the stock zstd, rsync,
# Prometheus with promtool, sqlite3, strace to inject faults, and what makes small disks. Elsewhere it says what is missing, and
# the tests that need it fail and say so too.
set -eu

missing=""
need() { command -v "$1" >/dev/null 2>&1 || missing="$missing $2"; }
need zstd zstd
need strace strace
need rsync rsync
need sqlite3 sqlite3
need prometheus prometheus
need promtool prometheus
need mkfs.ext4 e2fsprogs
need mount mount
need pgrep procps

[ -n "$missing" ] || exit 0
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
  echo "Some tests will fail for want of:$missing (Debian's names). Install them, or run the tests as root." >&2
  exit 0
fi
echo "Installing$missing" >&2
apt-get update -qq
# shellcheck disable=SC2086 -- a list of words
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
