"""Example fleets and small samples of real metric history, with their sources."""
