"""Every completion becomes a sample or is rejected with a reason."""
