"""Where models and corpora come from: package index, hub, local files, the running Python."""
