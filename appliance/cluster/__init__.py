"""Conversions where the data already sits: partitions of a cluster, each through its own node's appliance."""
