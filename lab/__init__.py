"""The lab: one virtual machine with a whole network inside it. README.md in this folder says how to use it."""
