"""One replica on the live model: its state, its batches, its segment."""
