#!/bin/sh
# SPDX-License-Identifier: MIT
# Usage: check_hello.sh PROGRAM
set -eu
got=$("$1")
for line in "fire and forget" 42 "seven is not for sale" 336; do
  printf '%s\n' "$got" | grep -qxF "$line" || { echo "no line: $line"; exit 1; }
done
