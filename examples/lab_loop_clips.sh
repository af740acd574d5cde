#!/usr/bin/env bash
# Does a network learn from some trials of a person what helps in a new trial of the same person?
# That is all it says: nothing of other people. Nobody validates, so that the last weights count.
# Usage: examples/lab_loop_clips.sh OUT CLIPS. CLIPS holds sessions of one person: those that LEARNT
# and NEW name. BEFORE is what to start from. Run it again after a crash: it goes on.
set -euo pipefail
out=$1 clips=$2 before=${BEFORE:-pictures} steps=${STEPS:-300}
learnt=${LEARNT:-cmbbe_squats cmbbe_jump_high_knees} new=${NEW:-cmbbe_jump}
resumed() { if [[ -e $1 ]]; then echo --resume; fi; }
mkdir -p "$out"

prepared() { # SPLIT NAME...: sessions of the one person as a data set, all of it in one split
  printf 'subject,split\n%s,%s\n' "${SUBJECT:-cmbbe_A}" "$1" >"$out/$1.csv"
  [[ -e $out/$1/manifest.json ]] ||
    d3ke prepare omc "${@:2}" -o "$out/$1" --split "$out/$1.csv" $(resumed "$out/$1") >&2
}
read -ra names <<<"$learnt"
prepared train "${names[@]/#/$clips/}"
read -ra names <<<"$new"
prepared test "${names[@]/#/$clips/}"
d3ke train "$out/train" -o "$out/after" --init "$before" --only head --steps "$steps" --batch 16 \
  $(resumed "$out/after/frame/resume.safetensors") >&2
d3ke evaluate "$out/test" --weights "$out/after" --weights "$before" --weights landmarks \
  --split test --mean-of "$out/train" --output "$out/table.csv"
