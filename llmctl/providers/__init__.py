"""One file per kind of upstream; `TABLE` lists them."""
