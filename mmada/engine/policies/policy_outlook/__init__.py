"""What a policy file would do, before a training is spent on it."""
