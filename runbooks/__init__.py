"""Runbooks: documents that people read and drills follow, the drills, and the evidence they leave."""
