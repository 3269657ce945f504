"""The only room that talks to the container runtime: CRI v1 over its unix socket. Decides nothing."""
