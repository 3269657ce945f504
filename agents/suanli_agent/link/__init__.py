"""The hub as this box sees it: joining, certificates, Node, Lease, pods bound to us, and the kubelet's endpoints.

The only room of the agent that talks to the hub. It never touches the container runtime: what the hub wants of
pods goes to pods/ through pods.ports, what people at the hub want to see comes from there.
"""
