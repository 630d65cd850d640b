"""Public test parts: real servers speaking real protocols, and a clock to drive."""
