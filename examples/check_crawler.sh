#!/bin/sh
# SPDX-License-Identifier: MIT
# Usage: check_crawler.sh PROGRAM
# Compares the crawler with a plain walk, one page after the other, in awk.
set -eu
program=$(realpath "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

fail() {
  echo "crawler: $*"
  exit 1
}

# plain_walk DIRECTORY: its pages in the order in which they are found from 0.html on.
plain_walk() {
  awk -v directory="$1" '
    function find(page) { if (!(page in found)) { found[page] = 1; queue[count++] = page } }
    BEGIN {
      find("0.html")
      for (i = 0; i < count; i++) {
        print queue[i]
        file = directory "/" queue[i]
        while ((getline text < file) > 0)
          while (match(text, /href="[^"]*"/)) {
            link = substr(text, RSTART + 6, RLENGTH - 7)
            text = substr(text, RSTART + RLENGTH)
            if (link !~ /[\/:#?]/) find(link)
          }
        close(file)
      }
    }'
}

# counts READ FAILED: the summary in `errors` says so, and leaves no page that was found out.
counts() {
  set -- "$@" $(sed -n 's/^crawler: \([0-9]*\) pages: \([0-9]*\) read, \([0-9]*\) failed, \([0-9]*\) canceled, \([0-9]*\) not started$/\1 \2 \3 \4 \5/p' errors)
  [ $# -eq 7 ] || fail "no summary: $(cat errors)"
  [ "$4" -eq "$1" ] && [ "$5" -eq "$2" ] || fail "not $1 read and $2 failed: $(cat errors)"
  [ "$3" -eq $(($4 + $5 + $6 + $7)) ] || fail "the summary does not add up: $(cat errors)"
}

# The same pages, each once, however many at a time; and with hardly more descriptors than that.
"$program" make site --pages 300 --links 3 --seed 7
echo '<a href="http://elsewhere/">away</a> <a href="../up.html">up</a> <a href="#top">' >> site/0.html
plain_walk site | LC_ALL=C sort > expected
[ "$(wc -l < expected)" -lt 300 ] || fail "there is no page that cannot be reached"
for how in "" "--files 1" "--files 64" "--rate 100000" "--progress"; do
  (
    ulimit -n 100
    "$program" walk site/0.html $how > got 2> errors
  ) || fail "'$how': exit code $?: $(cat errors)"
  cmp expected got || fail "'$how': other pages than a plain walk"
  counts "$(wc -l < expected)" 0
done

# The same seed makes the same site, another one another.
"$program" make same --pages 300 --links 3 --seed 7
"$program" make other --pages 300 --links 3 --seed 8
cmp same/1.html site/1.html || fail "the same seed, another site"
cat other/*.html | cmp -s - same/0.html && fail "another seed, the same site"

# A page that is missing ends the walk, wherever it is found: what waits for the rate or for a file
# is canceled, and would otherwise last for minutes. What was read is said, and each page once.
for page in $(plain_walk site | sed -n '2p;150p;$p'); do
  mv "site/$page" missing
  for how in "" "--files 1"; do
    code=0
    "$program" walk site/0.html $how > got 2> errors || code=$?
    [ "$code" -eq 1 ] || fail "$page is missing: exit code $code"
    grep -qE "^crawler: $page, linked from [0-9]+\.html: No such file or directory\$" errors ||
      fail "$page is missing: $(cat errors)"
    counts "$(wc -l < got)" 1
    LC_ALL=C sort -u got | LC_ALL=C comm -13 expected - | cmp -s - /dev/null ||
      fail "$page is missing: pages that a plain walk does not have"
    [ "$(LC_ALL=C sort -u got | wc -l)" -eq "$(wc -l < got)" ] || fail "a page was read twice"
  done
  mv missing "site/$page"
done
page=$(plain_walk site | sed -n 2p)
mv "site/$page" missing
code=0
"$program" walk site/0.html --rate 1 > got 2> errors || code=$?
[ "$code" -eq 1 ] || fail "$page is missing, a page a second: exit code $code"
counts "$(wc -l < got)" 1
mv missing "site/$page"

# Ctrl-C, when it says that it is under way: a summary, and the exit code of an interrupted program.
mkfifo said
"$program" walk site/0.html --rate 1 --progress > got 2> said &
walker=$!
: > line
exec 3< said
until grep -q 'pages read' line; do
  read -r line <&3
  printf '%s\n' "$line" > line
done
kill -INT "$walker"
cat <&3 > errors
code=0
wait "$walker" || code=$?
[ "$code" -eq 130 ] || fail "interrupted: exit code $code"
counts "$(wc -l < got)" 0

# Bad input: one line that names it, exit code 2.
for bad in "" "walk" "walk nowhere.html" "walk site/0.html --files 0" "walk site/0.html --files 257" \
  "walk site/0.html --rate -1" "walk site/0.html --rate fast" "walk site/0.html more" "make" \
  "make site --pages 0" "make site --links 0" "--what"; do
  code=0
  text=$("$program" $bad 2>&1 > /dev/null) || code=$?
  [ "$code" -eq 2 ] || fail "'$bad': exit code $code"
  [ "$(printf '%s\n' "$text" | wc -l)" -eq 1 ] || fail "'$bad': not one line: $text"
done
"$program" --help > /dev/null && "$program" walk --help > /dev/null || fail "--help fails"
