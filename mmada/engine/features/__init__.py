"""What else a training may use: compilation, activation checkpointing."""
