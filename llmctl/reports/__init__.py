"""Questions asked of the records: what was used, what it cost, what was saved, and whether an invoice agrees."""
