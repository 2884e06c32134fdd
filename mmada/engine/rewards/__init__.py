"""What a replica is scored by, and whether that can be believed."""
