#!/usr/bin/env bash
# Does D3KE get better with ResNeXt-101 in place of ResNeXt-50? One table, from nothing.
# Usage: examples/compare_backbones.sh OUT [--small | --cpu | --gpu]
#   --small  minutes on two cores: shows that all of it runs, and nothing else (the default)
#   --cpu    some three hours on two cores: crops of 128 px, 20,480 frames seen by each network
#   --gpu    hours on a GPU: crops of 256 px, 512,000 frames seen by each, people made on the fly
# MOTIONS and WARDROBE may name folders for d3ke prepare synthetic. Run it again after a crash.
set -euo pipefail
out=$1
case ${2:---small} in
  --small) frames=${FRAMES:-2000} picture=128 size=64 steps=${STEPS:-20} batch=16 mix=${STEPS:-20} ;;
  --cpu) frames=20000 picture=384 size=128 steps=1280 batch=16 mix=600 ;;
  --gpu) frames=20000 picture=384 size=256 steps=8000 batch=64 mix=5000 ;;
  *) echo "usage: $0 OUT [--small | --cpu | --gpu]" >&2 && exit 2 ;;
esac
sources=(${MOTIONS:+--motions "$MOTIONS"} ${WARDROBE:+--wardrobe "$WARDROBE"})
live=()
if [[ ${2:-} == --gpu ]]; then live=(--synthetic 1 "${sources[@]}"); fi
resumed() { if [[ -e $1 ]]; then echo --resume; fi; }

mkdir -p "$out"
[[ -e $out/people/manifest.json ]] ||
  d3ke prepare synthetic -n "$frames" --size "$picture" -o "$out/people" "${sources[@]}" \
    $(resumed "$out/people") >&2
runs=()
for seed in ${SEEDS:-0 1}; do
  for backbone in resnext50 resnext101; do
    run=$out/$backbone-$seed
    d3ke train "$out/people" "${live[@]}" -o "$run" --backbone "$backbone" --seed "$seed" \
      --size "$size" --steps "$steps" --batch "$batch" --temporal transformer --window 81 \
      --temporal-steps "$mix" --save-every 200 $(resumed "$run/frame/resume.safetensors") >&2
    runs+=(--weights "$run")
  done
done
d3ke evaluate "$out/people" "${runs[@]}" --split test --output "$out/table.csv"
