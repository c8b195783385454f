"""The classifiers that judge: trained on recipes, chosen on val. Shared by the rooms `export` and `evaluate`."""
