"""The program kun-controller: Kubernetes objects in, one table for resolvers and gateways out."""
