"""The daemon: HTTP over Unix sockets, policy, batching and lanes; it holds no PIN and loads no token."""
