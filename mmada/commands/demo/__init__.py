"""The demo, and the table and the pictures that it ends with."""
