"""Who is told of alerts: one file per kind of sink."""
