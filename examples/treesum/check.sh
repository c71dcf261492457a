#!/bin/sh
# SPDX-License-Identifier: MIT
# Usage: check.sh PROGRAM
# Compares treesum with find and sha256sum on a tree with odd names.
set -eu
program=$(realpath "$1")
work=$(mktemp -d)
trap 'chmod -R u+rwx "$work"; rm -rf "$work"' EXIT
cd "$work"

fail() {
  echo "treesum: $*"
  exit 1
}

newline='
'
return=$(printf '\r')
mkdir -p tree/a tree/a.b "tree/with space" "tree/line${newline}break" tree/empty "tree/a/deep/er" tree/zz
printf 'one' > tree/a/one
printf 'two' > tree/a.b/two
printf '' > tree/empty_file
printf 'three' > "tree/back\\slash"
printf 'four' > "tree/line${newline}break/new${newline}line"
printf 'five' > "tree/carriage${return}return"
printf 'six' > "tree/with space/ leading and trailing "
printf 'seven' > "tree/-dash"
printf 'eight' > "tree/a/deep/er/$(printf 'x%.0s' $(seq 200))"
printf 'nine' > "tree/$(printf '\303\244\377')"
printf 'ten' > "tree/a!" # between a/ and a.b/ in byte order
printf 'eleven' > "tree/a0"
head -c 3000000 /dev/urandom > tree/zz/large
i=0
while [ $i -lt 300 ]; do
  printf '%s' "$i" > "tree/zz/$i"
  i=$((i + 1))
done
ln -s a tree/link_to_directory
ln -s a/one tree/link_to_file
ln -s nowhere tree/dangling
ln -s . tree/loop
mkfifo tree/pipe

reference() {
  find "$1" -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum --
}

# Byte for byte what sha256sum prints, in path order, however many files at a time.
for directory in tree tree/ ./tree "$work/tree" tree/zz; do
  reference "$directory" > expected
  "$program" "$directory" > got || fail "$directory: exit code $?"
  cmp expected got || fail "$directory: differs from sha256sum"
done
reference tree > expected
for jobs in 1 3 16; do
  "$program" --jobs "$jobs" tree > got || fail "--jobs $jobs: exit code $?"
  cmp expected got || fail "--jobs $jobs: differs from sha256sum"
done
"$program" tree | sha256sum --quiet -c - || fail "sha256sum -c does not accept it"
[ -z "$("$program" tree/empty)" ] || fail "an empty directory has no lines"

# A rate: about three megabytes at ten a second take 0.2 s at least.
begin=$(date +%s%N)
"$program" --max-rate 10M tree > got || fail "--max-rate: exit code $?"
end=$(date +%s%N)
cmp expected got || fail "--max-rate: differs from sha256sum"
[ $((end - begin)) -ge 200000000 ] || fail "--max-rate 10M took $(((end - begin) / 1000000)) ms only"

# What cannot be read is reported, and the rest is done. Root can read everything, so it asks as
# somebody else, where that is possible.
as_user=
[ "$(id -u)" -ne 0 ] || as_user="setpriv --reuid=65534 --regid=65534 --clear-groups"
if $as_user "$program" --help > /dev/null 2>&1; then
  chmod 755 .
  chmod 000 tree/zz/7
  mkdir tree/closed
  chmod 000 tree/closed
  code=0
  $as_user "$program" tree > got 2> errors || code=$?
  [ "$code" -eq 1 ] || fail "unreadable file: exit code $code"
  LC_ALL=C grep -av '  tree/zz/7$' expected | cmp - got || fail "unreadable file: the rest differs"
  grep -qx 'treesum: tree/zz/7: Permission denied' errors || fail "not reported: $(cat errors)"
  grep -qx 'treesum: tree/closed: Permission denied' errors || fail "not reported: $(cat errors)"
  chmod 644 tree/zz/7
  chmod 755 tree/closed
fi

# A file that goes away while it waits for its turn is reported, or was read before.
mkdir going
i=0
while [ $i -lt 200 ]; do
  head -c 2000 /dev/zero > "going/$i"
  i=$((i + 1))
done
code=0
"$program" --jobs 1 --max-rate 1M going > got 2> errors &
program_id=$!
rm -f going/9*
wait "$program_id" || code=$?
lines=$(cat got errors | wc -l)
[ "$code" -le 1 ] || fail "vanishing files: exit code $code"
[ "$lines" -le 200 ] || fail "vanishing files: $lines lines"
[ "$code" -eq 0 ] || grep -q 'No such file or directory' errors || fail "vanishing files: $(cat errors)"

# Ctrl-C: a summary, and the exit code of an interrupted program.
code=0
"$program" --max-rate 100K tree > got 2> errors &
program_id=$!
while ! [ -e "/proc/$program_id/task" ] || [ "$(ls "/proc/$program_id/task" | wc -l)" -lt 3 ]; do :; done
sleep 0.3
kill -INT "$program_id" 2>/dev/null || true
wait "$program_id" || code=$?
[ "$code" -eq 130 ] || fail "interrupted: exit code $code"
grep -q '^treesum: interrupted after' errors || fail "no summary: $(cat errors)"
head -n "$(wc -l < got)" expected | cmp - got || fail "interrupted: what was printed differs"

# Bad input: one line, exit code 2.
for bad in "" "nowhere" "tree/a/one" "--jobs 0 tree" "--jobs 1000 tree" "--jobs x tree" \
  "--max-rate 0 tree" "--max-rate -1 tree" "--max-rate fast tree" "tree more" "--what tree"; do
  code=0
  text=$("$program" $bad 2>&1 > /dev/null) || code=$?
  [ "$code" -eq 2 ] || fail "'$bad': exit code $code"
  [ "$(printf '%s\n' "$text" | wc -l)" -eq 1 ] || fail "'$bad': not one line: $text"
done
"$program" --help > /dev/null || fail "--help fails"
