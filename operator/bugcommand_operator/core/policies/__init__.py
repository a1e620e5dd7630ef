"""One rule a file: `policy(seen, now) -> Plan | None`. `decide` says in which order they are asked."""
