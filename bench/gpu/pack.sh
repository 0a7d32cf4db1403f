#!/bin/sh
# Packs the program and the libraries that it needs, for a machine that has a driver for its GPU, a C
# library as new as this one's, and nothing else; with the test images of Fashion-MNIST as a small
# data set, and a text, where they are installed. At most 60 MiB.
#
#   bench/gpu/pack.sh FOLDER [PROGRAM]      here; then, there:      bench/gpu/run.sh FOLDER
#                                                                   bench/gpu/train.sh FOLDER
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
mkdir "$work/data"
images=/usr/share/datasets/fashion-mnist
if [ -d "$images" ]; then
  for kind in images-idx3 labels-idx1; do
    cp "$images/t10k-$kind-ubyte.gz" "$work/data/"
    cp "$images/t10k-$kind-ubyte.gz" "$work/data/train-$kind-ubyte.gz"
  done
fi
cp -L /usr/share/common-licenses/GPL-3 "$work/data/text" 2>/dev/null || true
tar -C "$work" -c tessera lib data | xz -T2 -6 >"$1/tessera.tar.xz"
ls -l "$1/tessera.tar.xz"
if [ "$(wc -c <"$1/tessera.tar.xz")" -gt $((60 << 20)) ]; then
  echo "pack.sh: $1/tessera.tar.xz has more than 60 MiB" >&2
  exit 1
fi
