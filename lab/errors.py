"""What can go wrong with the lab itself, as opposed to what runs in it."""


class LabError(Exception):
    """The message says what is wrong and, where there is one, the command that mends it."""


class DidNotStart(LabError):
    """A virtual machine ended while it booted, or stayed silent."""
