"""The shared vocabulary: fleet.yaml, clock, AWS sessions, journal, leases, values that the parts exchange."""
