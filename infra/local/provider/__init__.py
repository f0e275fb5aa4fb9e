"""A Pulumi provider that makes the ``aws:*`` types of our programs through an AWS API on this machine."""
