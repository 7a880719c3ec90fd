"""Tasks and where their gold data comes from."""
