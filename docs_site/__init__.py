"""Pages of the documentation that are printed from the code, and the hooks of MkDocs that add them."""
