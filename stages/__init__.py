"""One thin file per stage: paths and its own section of params.yaml in, one library call, what it measured out."""
