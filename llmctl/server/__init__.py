"""Wire formats and the HTTP server; nothing else knows ASGI."""
