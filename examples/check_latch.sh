#!/bin/sh
# SPDX-License-Identifier: MIT
# Usage: check_latch.sh PROGRAM
set -eu
got=$("$1")
[ "$got" = "$(printf 'out of time\nopen\nopen')" ] || { echo "it says: $got"; exit 1; }
