#!/usr/bin/env bash
# From two CSV files to a saved model that recommends recipes by name:
#     examples/recipes.sh interactions.csv recipes.csv [OPTIONS OF reciperec train]
# for example with --split random --train-size 6000 --test-size 2000 --seed 42. Writes recipes.keras into the
# current folder; a second run needs --overwrite.
set -euo pipefail

interactions=$1
recipes=$2
shift 2

# Prints the metrics beside those of the popularity baselines.
reciperec train "$interactions" "$recipes" --out recipes.keras "$@"

# On all rows, including the training rows: this shows the command, not how good the model is.
reciperec evaluate recipes.keras "$interactions"

# For the user of the first row, without the recipes that the user has already interacted with.
user=$(python3 -c '
import csv, sys
with open(sys.argv[1], newline="", encoding="utf-8") as file:
    print(next(csv.DictReader(file))["user_id"])' "$interactions")
reciperec recommend recipes.keras --id "$user" -k 10 --interactions "$interactions"
