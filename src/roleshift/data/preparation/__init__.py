"""From raw sources to examples: adapters, cleaning, duplicates, splits without leaks."""
