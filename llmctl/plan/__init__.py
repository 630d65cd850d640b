"""What a change of the configuration would have done to recorded traffic."""
