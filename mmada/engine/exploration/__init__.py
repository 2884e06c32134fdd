"""The rounds of a search: what one is made of, and what it leaves."""
