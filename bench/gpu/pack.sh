#!/bin/sh
# Packs the program and the libraries that it needs, for a machine that has a driver for its GPU, a C
# library as new as this one's, and nothing else:
#
#   bench/gpu/pack.sh FOLDER [PROGRAM]      here; then, there:      bench/gpu/run.sh FOLDER
set -eu
if [ $# -lt 1 ]; then
  echo "pack.sh: wants the folder to pack into: bench/gpu/pack.sh FOLDER [PROGRAM]" >&2
  exit 2
fi
program=${2:-$(dirname "$0")/../../build/release/bin/tessera}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$1" "$work/lib"
strip -o "$work/tessera" "$program"
ldd "$program" | awk '{ print $3 }' | grep / |
  grep -vE '/(libc|libm|libstdc\+\+|libgcc_s|libpthread|libdl)\.so' |
  while read -r library; do
    cp -L "$library" "$work/lib/"
  done
strip --strip-unneeded "$work"/lib/* 2>/dev/null || true
tar -C "$work" -c tessera lib | xz -T0 -4 >"$1/tessera.tar.xz"
ls -l "$1/tessera.tar.xz"
