"""The door for any API layer: validate a request, admit it, store it, and send its chain after the commit."""
