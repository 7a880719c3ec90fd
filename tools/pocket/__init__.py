"""Build and measure the pocket PLMs. Not part of the installed package."""
