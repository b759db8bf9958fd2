"""The command line's groups, each thin over the library."""
