#!/bin/sh
# SPDX-License-Identifier: MIT
# Usage: check.sh PROGRAM
# Compares what the pipeline says of a log with what awk says of it.
set -eu
program=$(realpath "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

fail() {
  echo "log_pipeline: $*"
  exit 1
}

sum_up() {
  awk '
    function print_minute() {
      if (requests)
        printf "%s %.0f requests, %.0f failed, %.0f bytes, slowest %.0f us: %s\n",
          minute, requests, failed, bytes, slowest, page
    }
    NF != 6 || $4 $5 $6 !~ /^[0-9]+$/ || length($1) < 16 {
      if (!bad++) first = NR
      next
    }
    substr($1, 1, 16) != minute {
      print_minute()
      minute = substr($1, 1, 16)
      requests = failed = bytes = 0
      slowest = -1
    }
    {
      requests++
      bytes += $5
      if ($4 >= 500) failed++
      if ($6 > slowest) { slowest = $6; page = $3 }
    }
    END {
      print_minute()
      if (bad) print bad " lines make no sense, the first is line " first > "expected_bad"
    }' "$1"
}

"$program" make log --lines 60000 --seed 3
"$program" make same --lines 60000 --seed 3
"$program" make other --lines 60000 --seed 4
cmp log same || fail "the same seed, another log"
cmp -s log other && fail "another seed, the same log"
[ "$(sum_up log | wc -l)" -gt 50 ] || fail "too few minutes to say anything"

# sums LOG LINES OPTION...: byte for byte what awk says, and never more in memory than was allowed.
sums() {
  log=$1
  lines=$2
  shift 2
  sum_up "$log" > expected
  "$program" sum "$log" "$@" > got 2> said || fail "'$*': exit code $?: $(cat said)"
  cmp expected got || fail "'$*': differs from awk"
  grep -qxF "$(cat expected_bad)" said || fail "'$*': $(cat said), but awk: $(cat expected_bad)"
  grep -q "^$lines lines, .* MB/s, " said || fail "'$*': $(cat said)"
  chunks=$(sed -n 's/.* with \([0-9]*\) chunks in memory$/\1/p' said)
  [ "$chunks" -le "$2" ] || fail "'$*': $chunks chunks in memory"
}

sums log 60000 --chunks 8
sums log 60000 --chunks 1
sums log 60000 --chunks 3 --chunk 64K --jobs 1
sums log 60000 --chunks 32 --chunk 16K --jobs 8
sums log 60000 --chunks 8 --chunk 10M
head -n 3000 log > start
sums start 3000 --chunks 2 --chunk 100
sums start 3000 --chunks 16 --chunk 1000

# The last line needs no newline, and a log may be empty or make no sense.
printf '2026-01-01T00:00:07Z GET / 200 1 2' > open_end
[ "$("$program" sum open_end 2> said)" = \
  "2026-01-01T00:00 1 requests, 0 failed, 1 bytes, slowest 2 us: /" ] ||
  fail "a last line without a newline"
: > empty
[ -z "$("$program" sum empty 2> said)" ] || fail "an empty log"
printf '\n\nno log\n' > nonsense
[ -z "$("$program" sum nonsense 2> said)" ] || fail "a log of nonsense"
grep -qx '3 lines make no sense, the first is line 1' said || fail "nonsense: $(cat said)"

# A line that is longer than a chunk: where it is, and how much may be.
{
  cat open_end
  printf '\n'
  printf 'x%.0s' $(seq 200)
  printf '\n'
} > long
code=0
"$program" sum long --chunk 100 > got 2> said || code=$?
[ "$code" -eq 1 ] || fail "a line too long: exit code $code"
grep -qx 'log_pipeline: long: the line at byte 35 is longer than a chunk, 100 bytes' said ||
  fail "a line too long: $(cat said)"
"$program" sum long --chunk 201 > got 2> said || fail "a line that just fits: $(cat said)"

# Bad input: one line that names it, exit code 2.
for bad in "" "sum" "sum nowhere" "sum log --chunk 63" "sum log --chunk 2G" "sum log --chunk big" \
  "sum log --chunks 0" "sum log --chunks 1025" "sum log --jobs 0" "sum log --jobs 257" \
  "sum log more" "make" "make log --lines 0" "--what"; do
  code=0
  text=$("$program" $bad 2>&1 > /dev/null) || code=$?
  [ "$code" -eq 2 ] || fail "'$bad': exit code $code"
  [ "$(printf '%s\n' "$text" | wc -l)" -eq 1 ] || fail "'$bad': not one line: $text"
done
"$program" --help > /dev/null && "$program" sum --help > /dev/null || fail "--help fails"
