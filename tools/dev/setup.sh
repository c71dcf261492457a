# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# What tools/test, tools/bench and .ci/run share: saying what they do, installing what is missing,
# building. Sourced, with the root of the tree as current directory.

# shellcheck disable=SC2034  # for those who source this
build_packages=(g++ meson ninja-build pkg-config python3 libhwloc-dev libconcurrentqueue-dev
                libgtest-dev libbenchmark-dev libcli11-dev nlohmann-json3-dev libfmt-dev libssl-dev
                libboost-context-dev)

say() { printf '\n==> %s\n' "$*"; }
die() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

# Wrong arguments: one line, and the exit code that says so.
die_usage() { printf '%s: %s (see --help)\n' "${0##*/}" "$*" >&2; exit 2; }

as_root() {
  if [[ $(id -u) == 0 ]]; then "$@"
  elif command -v sudo > /dev/null; then sudo "$@"
  else die "this needs root, and there is no sudo: $*"
  fi
}

is_installed() { dpkg-query -W -f '${db:Status-Status}\n' "$1" 2> /dev/null | grep -qx installed; }

packages_changed=false

# need_packages NAME...: installs those that are missing. Elsewhere than on Debian and its
# descendants it leaves that to the user.
need_packages() {
  command -v apt-get > /dev/null || { say "No apt-get here: needed are $*"; return; }
  local missing=() package
  for package in "$@"; do is_installed "$package" || missing+=("$package"); done
  ((${#missing[@]})) || return 0
  say "Installing ${#missing[@]} missing Debian packages: ${missing[*]}"
  local install=(env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends
                 -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "${missing[@]}")
  # The lists may be absent or old: they are fetched only when without them it does not work.
  as_root "${install[@]}" || { as_root apt-get update -q && as_root "${install[@]}"; }
  packages_changed=true
}

# configure DIRECTORY OPTION...: once, and again when packages came that it may have missed. Meson
# itself notices changes of its files.
configure() {
  local directory=$1
  shift
  if [[ ! -f $directory/build.ninja ]]; then
    say "Configuring $directory"
    meson setup "$directory" "$@"
  elif $packages_changed; then
    say "Configuring $directory again"
    meson setup --reconfigure "$directory"
  fi
}
