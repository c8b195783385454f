"""One file a model: network, loss and the paper it comes from. No loop, no input or output."""
