#!/usr/bin/env bash
# Every clip of a folder becomes OpenSim files; one line of knee flexion a clip goes to stdout.
# Usage: examples/folder.sh CLIPS OUT. Run it again after a crash: what is done is not done again.
set -euo pipefail
clips=$1 out=$2
mkdir -p "$out"
d3ke predict "$clips"/*.mp4 -o "$out" --resume --json >"$out/log.jsonl" ||
  echo "some clips failed: see the errors in $out/log.jsonl" >&2
for mot in "$out"/*.mot; do
  d3ke check "$mot" "${mot%.mot}.osim" >&2
  awk -F '\t' -v clip="$(basename "$mot" .mot)" '
    $1 == "time" { for (i = 1; i <= NF; i++) column[$i] = i; next }
    !("time" in column) { next }
    { right = $column["knee_angle_r"] + 0; left = $column["knee_angle_l"] + 0 }
    right > most_right { most_right = right }
    left > most_left { most_left = left }
    END { printf "%s: knee flexion up to %.0f (right), %.0f (left) deg\n", clip, most_right, most_left }
  ' "$mot"
done
