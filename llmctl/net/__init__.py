"""HTTP/1.1 to upstreams, and server-sent events."""
