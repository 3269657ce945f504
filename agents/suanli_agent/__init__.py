"""The edge agent: makes a bare Linux box a Kubernetes node. Shares no code with the hub."""
