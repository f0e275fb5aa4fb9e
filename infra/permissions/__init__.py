"""Who may do what: the rights of hosts, and those of the people and jobs that run `ops`."""
