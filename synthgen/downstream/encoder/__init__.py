"""The STM ``encoder:<model>``: a transformer encoder, fine-tuned whole."""
