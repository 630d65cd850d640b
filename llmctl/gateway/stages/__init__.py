"""The stages of the path, one file each."""
