"""What people say of answers: votes, judgements, corrections, captured requests; one append-only store, its export."""
