"""Publish a run on the Hugging Face Hub, from its folder alone."""
