#!/bin/sh
# SPDX-License-Identifier: MIT
# Usage: check_worker_pool.sh PROGRAM
set -eu
program=$1

fail() {
  echo "worker_pool: $*"
  exit 1
}

all=$("$program")
last=$(printf '%s\n' "$all" | tail -n 1)
[ "$last" = "Processed: 45, Failed: 5" ] || fail "last line is: $last"
[ "$(printf '%s\n' "$all" | wc -l)" -eq 51 ] || fail "not one line for each task"
printf '%s\n' "$all" | grep -qxF "task 10: simulated error" || fail "an error text is missing"

# Ended by the deadline: nothing is missing in the counts.
for timeout in 500ms 0s 1200ms; do
  last=$("$program" --timeout "$timeout" | tail -n 1)
  counts=$(printf '%s\n' "$last" |
    sed -n 's/^Processed: \([0-9]*\), Failed: \([0-9]*\), Canceled: \([0-9]*\), Not started: \([0-9]*\)$/\1+\2+\3+\4/p')
  [ -n "$counts" ] || fail "--timeout $timeout: last line is: $last"
  [ $(($counts)) -eq 50 ] || fail "--timeout $timeout: $counts is not 50"
done

for bad in "--timeout soon" "--timeout" "--timeout 5" "--timeout -5s" "--timeout 99999999999999h" \
  "--nonsense" "extra"; do
  code=0
  text=$("$program" $bad 2>&1 >/dev/null) || code=$?
  [ "$code" -eq 2 ] || fail "$bad: exit code $code"
  [ "$(printf '%s\n' "$text" | wc -l)" -eq 1 ] || fail "$bad: not one line: $text"
done
"$program" --help >/dev/null || fail "--help fails"
