#!/usr/bin/env bash
# Every clip of a folder becomes OpenSim files on a Slurm cluster, a part of the clips in each task.
# Usage: sbatch --array=1-8 examples/slurm_array.sh CLIPS OUT, with folders that all machines share.
# Submit it again after a crash: what is done is not done again. A task with a bad clip ends with 1:
# see its errors in OUT/part_I.jsonl.
#SBATCH --job-name=d3ke
#SBATCH --cpus-per-task=2
#SBATCH --mem=4G
#SBATCH --time=04:00:00
set -euo pipefail
clips=$1 out=$2
first=${SLURM_ARRAY_TASK_MIN:-1} last=${SLURM_ARRAY_TASK_MAX:-$SLURM_ARRAY_TASK_ID}
part=$((SLURM_ARRAY_TASK_ID - first + 1)) parts=$((last - first + 1))
mkdir -p "$out"
d3ke predict "$clips"/*.mp4 -o "$out" --shard "$part/$parts" --resume --json \
  --workers "${SLURM_CPUS_PER_TASK:-1}" >"$out/part_$part.jsonl"
