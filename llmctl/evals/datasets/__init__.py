"""Where a suite's items come from: one file per kind of dataset."""
