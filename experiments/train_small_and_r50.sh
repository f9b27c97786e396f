#!/usr/bin/env bash
# Train lrrtrack_small longer, then lrrtrack_r50 on the same packed material: for a machine with a GPU.
#
#   experiments/train_small_and_r50.sh MATERIAL OUT [SMALL_EPOCHS] [R50_EPOCHS] [R50_BACKBONE]
#
# MATERIAL holds the LMDB files that experiments/lrrtrack_small.yaml names. R50_BACKBONE is what
# training.init_backbone takes: IMAGENET1K_V2, downloaded, unless given. Weights, logs and curves come
# to OUT/small and OUT/r50; a script that was stopped goes on where it was.
set -euo pipefail
material=$1 out=$2 small_epochs=${3:-40} r50_epochs=${4:-20} backbone=${5:-IMAGENET1K_V2}

run() {  # run EXPERIMENT FOLDER [KEY=VALUE ...]
  local resume=()
  [ -e "$2/checkpoints/last.ckpt" ] && resume=(--resume)
  [ -e "$2/weights.safetensors" ] || rgbt-track train "$1" "${@:3}" "training.root=$material" \
    training.validation=[] training.workers="$(nproc)" --out "$2" "${resume[@]}"
}

run lrrtrack_small "$out/small" training.epochs="$small_epochs" training.batch=64 \
  training.pairs_per_epoch=64000 training.frozen_engine=torch training.optimizer.frozen_backbone_epochs=0
sources=$(python -c "
from rgbt_track.config.tracker import load_config
from rgbt_track.config.parsing import to_mapping
import json
print(json.dumps(to_mapping(load_config('lrrtrack_small').training)['sources']))")
run lrrtrack_r50 "$out/r50" training.sources="$sources" training.epochs="$r50_epochs" training.batch=32 \
  training.init_backbone="$backbone" model.pixels=imagenet training.store.size=384 \
  training.precision=bf16-mixed training.optimizer.frozen_backbone_epochs=2
