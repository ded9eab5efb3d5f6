#!/usr/bin/env bash
# From two CSV files to a saved model that recommends recipes by name:
#     examples/recipes.sh interactions.csv recipes.csv [OPTIONS OF reciperec train]
# for example with --split random --train-size 6000 --test-size 2000 --seed 42. Writes recipes.keras into this
# folder; a second run needs --overwrite.
set -euo pipefail

interactions=$1
recipes=$2
shift 2

# Prints the metrics, with those of recommending what is popular beside them.
reciperec train "$interactions" "$recipes" --out recipes.keras "$@"

# All rows here, those of the training too: this shows the command, not what the model is worth.
reciperec evaluate recipes.keras "$interactions"

# The user of the first row. What the user has had is left out, for the interactions are given.
user=$(python3 -c '
import csv, sys
with open(sys.argv[1], newline="", encoding="utf-8") as file:
    print(next(csv.DictReader(file))["user_id"])' "$interactions")
reciperec recommend recipes.keras --id "$user" -k 10 --interactions "$interactions"
