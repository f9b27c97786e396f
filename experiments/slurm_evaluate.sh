#!/usr/bin/env bash
#SBATCH --job-name=rgbt-evaluate
#SBATCH --array=1-8              # as many parts as jobs
#SBATCH --gpus-per-task=1
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=4
#SBATCH --time=04:00:00
# Evaluate in an array of jobs that fill one results folder; the job that ends last writes the report.
#
#   sbatch experiments/slurm_evaluate.sh DATASET --root DIR --tracker runs/x --device cuda
#
# A job that failed is run again alone: sbatch --array=3 would be part 3 of 1, so name the parts,
#   PARTS=8 sbatch --array=3 experiments/slurm_evaluate.sh ...
set -euo pipefail
rgbt-track evaluate "$@" --shard "$SLURM_ARRAY_TASK_ID/${PARTS:-$SLURM_ARRAY_TASK_COUNT}"
