"""What the steps run on: dependencies, leases, admission through the gate, request limits."""
