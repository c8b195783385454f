"""One file per model: its settings, network, loss and the paper it comes from. No loop, no input or output."""
