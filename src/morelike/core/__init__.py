"""What all rooms share: errors, settings, files, randomness, progress, processes, devices, the command line."""
