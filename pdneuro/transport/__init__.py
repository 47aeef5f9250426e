"""Everything that touches the network or the disk cache."""
