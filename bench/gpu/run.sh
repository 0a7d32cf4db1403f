#!/bin/sh
# Everything that there is to check and to time on an NVIDIA GPU, in some minutes:
#
#   bench/gpu/run.sh [PROGRAM]
#
# PROGRAM is a built tessera (default: build/release/bin/tessera of this checkout), or a folder that
# bench/gpu/pack.sh made. Ends with 0 when all values agree.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
program=${1:-$here/../build/release/bin/tessera}
if [ -d "$program" ]; then
  mkdir -p "$program/unpacked" && tar -xJf "$program/tessera.tar.xz" -C "$program/unpacked" || exit 1
  LD_LIBRARY_PATH=$program/unpacked/lib
  export LD_LIBRARY_PATH
  program=$program/unpacked/tessera
fi
if [ ! -x "$program" ]; then
  echo "run.sh: there is no program $program; build it with ./tessera --version" >&2
  exit 2
fi
failed=0
# suite FOLDER OPTION...: the suites in kernels/ of the folder
suite() {
  echo "== $*"
  folder=$1
  shift
  "$program" bench kernels --folder "$folder" --target nvptx --run --threads "$(nproc)" "$@" || failed=1
}
suite "$here" --tiny --seconds 0.01
suite "$here/gpu" --tiny --seconds 0.01
suite "$here/gpu" --filter matrices/ --seconds 0.1
suite "$here" --filter memory/ --seconds 0.1
suite "$here" --filter matmul/ --seconds 0.1
suite "$here" --filter units/ --seconds 0.1
suite "$here" --filter attention/ --seconds 0.1
exit $failed
