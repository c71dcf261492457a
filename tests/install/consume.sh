#!/usr/bin/env bash
# Builds and runs a program that embeds Pinion in one of the ways a user may choose.
# usage: consume.sh SOURCE BUILD pkg-config|cmake|subproject
set -euo pipefail
source_dir=$1 build_dir=$2 way=$3

unset LD_LIBRARY_PATH  # of the build, set by the test runner
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root

install_into_root() {
  meson install -C "$build_dir" --no-rebuild --quiet --destdir "$root"
  pc_dir=$(dirname "$(find "$root" -name pinion.pc)")
  prefix=${pc_dir%/lib*/pkgconfig}
}

with_pkg_config() {
  install_into_root
  export PKG_CONFIG_PATH=$pc_dir PKG_CONFIG_SYSROOT_DIR=$root
  # Words, not one argument: the output of pkg-config is a list of arguments.
  # shellcheck disable=SC2046
  c++ -std=c++20 "$source_dir/tests/install/consumer.cpp" -o "$work/consumer" \
    $(pkg-config --cflags --libs pinion)
  LD_LIBRARY_PATH=$(dirname "$pc_dir") "$work/consumer"
}

with_cmake() {
  command -v cmake > /dev/null || exit 77  # skipped
  install_into_root
  cmake -S "$source_dir/tests/install/cmake" -B "$work/build" -DCMAKE_PREFIX_PATH="$prefix" \
    -DCMAKE_BUILD_TYPE=Release
  cmake --build "$work/build"
  "$work/build/consumer"
  "$work/build/consumer_static"
}

with_subproject() {
  mkdir -p "$work/project/subprojects"
  cp "$source_dir"/tests/install/{subproject/meson.build,consumer.cpp} "$work/project"
  ln -s "$source_dir" "$work/project/subprojects/pinion"
  # Not the installed one, if there is one: this is about the source tree.
  meson setup "$work/build" "$work/project" --force-fallback-for=pinion -Ddefault_library=static \
    -Dpinion:default_library=static --buildtype=plain
  meson test -C "$work/build"
}

case $way in
  pkg-config) with_pkg_config ;;
  cmake) with_cmake ;;
  subproject) with_subproject ;;
esac
