"""Worker tasks: everything that PVE answers with a UPID."""
