"""Asking a model for its losses and their gradients one by one."""
