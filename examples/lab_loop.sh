#!/usr/bin/env bash
# Does a lab's own data make a network better for people it has not seen? From sessions to a table.
# Usage: examples/lab_loop.sh OUT [SESSION...]. Without sessions, synthetic people are recorded.
# BEFORE may name a run to start from; else a small one is trained on synthetic people, which shows
# that all of it runs, and nothing else. Run it again after a crash: it goes on.
set -euo pipefail
out=$1 && shift
people=${PEOPLE:-6} steps=${STEPS:-20} before=${BEFORE:-$out/before}
resumed() { if [[ -e $1 ]]; then echo --resume; fi; }
mkdir -p "$out"

sessions=("$@")
if [[ $# == 0 ]]; then
  [[ -e $out/lab/done ]] || {
    rm -rf "$out/lab" # a session that was cut short is in the way
    python "$(dirname "$0")/synthetic_sessions.py" "$out/lab" --people "$people" \
      --seconds "${SECONDS_EACH:-4}" --side "${SIDE:-640}" >&2
    touch "$out/lab/done"
  }
  sessions=("$out"/lab/sessions/*)
fi
# A session that cannot be used is told, and the loop goes on with the others.
[[ -e $out/data/manifest.json ]] ||
  d3ke prepare omc "${sessions[@]}" -o "$out/data" $(resumed "$out/data") >&2 ||
  [[ -e $out/data/manifest.json ]]

if [[ -z ${BEFORE:-} ]]; then
  [[ -e $out/people/manifest.json ]] ||
    d3ke prepare synthetic -n "${FRAMES:-2000}" --size 128 -o "$out/people" \
      $(resumed "$out/people") >&2
  d3ke train "$out/people" -o "$before" --backbone mobilenet_v2 --temporal none --size 64 \
    --steps "$steps" --batch 16 $(resumed "$before/frame/resume.safetensors") >&2
fi
d3ke train "$out/data" -o "$out/after" --init "$before" --only head --steps "$steps" --batch 16 \
  $(resumed "$out/after/frame/resume.safetensors") >&2
d3ke evaluate "$out/data" --weights "$out/after" --weights "$before" --weights landmarks \
  --split test --output "$out/table.csv"
