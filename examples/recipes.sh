#!/usr/bin/env bash
# The main job from a shell: train, evaluate, recommend. Usage:
#   examples/recipes.sh interactions.csv recipes.csv [FOLDER] [OPTIONS OF reciperec train ...]
# for example with `. --split random --train-size 6000 --test-size 2000`. The model goes into FOLDER, by default `.`.
set -euo pipefail

interactions=$1
recipes=$2
folder=${3:-.}
shift $(($# < 3 ? $# : 3))
model=$folder/recipes.keras

# Prints the metrics, with those of recommending what is popular beside them.
reciperec train "$interactions" "$recipes" --out "$model" --seed 42 "$@"

# On all rows, those of the training too: it shows the command, not what the model is worth.
reciperec evaluate "$model" "$interactions"

# The user of the first row. Seen recipes are left out, for the interactions are given.
user=$(python -c '
import csv, sys
with open(sys.argv[1], newline="", encoding="utf-8") as file:
    print(next(csv.DictReader(file))["user_id"])' "$interactions")
reciperec recommend "$model" --id "$user" -k 10 --interactions "$interactions"
