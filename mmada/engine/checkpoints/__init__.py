"""What a work directory holds beside the states of a search."""
