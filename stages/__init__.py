"""One thin file a stage: paths and its own params section, one library call, what it measured."""
