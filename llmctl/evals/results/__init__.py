"""What came of a run, written for people and for other programs: one format per file."""
