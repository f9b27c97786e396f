#!/usr/bin/env bash
#SBATCH --job-name=rgbt-track
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=4      # one process per GPU
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=6
#SBATCH --time=24:00:00
#SBATCH --signal=SIGUSR1@180     # 3 minutes before the limit: a checkpoint, and the job is requeued
#SBATCH --requeue
# Train under SLURM; a requeued job goes on by itself, with the settings of its run's folder.
#
#   sbatch experiments/slurm_train.sh EXPERIMENT OUT [KEY=VALUE ...]
set -euo pipefail
srun rgbt-track train "$1" "${@:3}" --out "$2" \
  --devices "$SLURM_NTASKS_PER_NODE" --nodes "$SLURM_JOB_NUM_NODES"
