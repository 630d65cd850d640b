"""How much each subject may ask for: requests, tokens, and exchanges at a time. No I/O and no clock of its own."""
