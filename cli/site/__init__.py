"""The local site of ``ops serve``: read-only, server-rendered pages over the journal and the last look at the fleet."""
