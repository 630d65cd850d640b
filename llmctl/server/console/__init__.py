"""The page at `/console`, and the JSON behind it and behind `llmctl top`."""
