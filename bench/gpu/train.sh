#!/bin/sh
# Trains some steps of whole models on this machine's NVIDIA GPU and on its processor, and compares
# their losses, in some minutes:
#
#   bench/gpu/train.sh [PROGRAM]
#
# PROGRAM is a built tessera (default: build/release/bin/tessera of this checkout), or a folder that
# bench/gpu/pack.sh made, which brings data along. Ends with 0 when all losses agree to 1e-3 of their size.
set -u
here=$(cd "$(dirname "$0")/../.." && pwd)
program=${1:-$here/build/release/bin/tessera}
data=/usr/share/datasets/fashion-mnist
text=/usr/share/common-licenses/GPL-3
if [ -d "$program" ]; then
  mkdir -p "$program/unpacked" && tar -xJf "$program/tessera.tar.xz" -C "$program/unpacked" || exit 1
  LD_LIBRARY_PATH=$program/unpacked/lib
  export LD_LIBRARY_PATH
  data=$program/unpacked/data
  text=$program/unpacked/data/text
  program=$program/unpacked/tessera
fi
if [ ! -x "$program" ]; then
  echo "train.sh: there is no program $program; build it with ./tessera --version" >&2
  exit 2
fi
runs=$(mktemp -d)
trap 'rm -rf "$runs"' EXIT
failed=0
"$program" doctor
losses() {
  sed -n 's/.*"loss":\([^,}]*\).*/\1/p' "$runs/$1/metrics.jsonl"
}
# pair NAME CONFIG OVERRIDE...: the same steps on both
pair() {
  name=$1
  config=$2
  shift 2
  for device in cpu gpu; do
    echo "== $name on $device"
    "$program" run "$here/configs/$config" --device $device cluster.transport=local cluster.ranks=1 \
      output.dir="$runs/$name-$device" train.epochs=1 "$@" || {
      failed=1
      return
    }
  done
  losses "$name-cpu" >"$runs/cpu"
  losses "$name-gpu" >"$runs/gpu"
  paste "$runs/cpu" "$runs/gpu" | awk -v name="$name" '
    { d = $1 - $2; if (d < 0) d = -d; if (d > worst) worst = d; size = $1 < 0 ? -$1 : $1
      if (d > 1e-3 * (1 + size)) bad = 1 }
    END { printf "== %s: %d losses, the largest difference %g\n", name, NR, worst
          exit bad || NR == 0 }' || failed=1
}
pair quickstart quickstart.yaml data.dir="$data" train.steps=30
pair cnn cnn.yaml data.dir="$data" train.steps=20
pair transformer transformer.yaml data.text="$text" train.steps=20
pair lstm lstm.yaml data.text="$text" train.steps=5
pair mixed ../bench/gpu/mixed.yaml data.dir="$data" train.steps=30
exit $failed
