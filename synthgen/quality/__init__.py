"""What a labelled dataset is like besides the accuracy it leads to."""
