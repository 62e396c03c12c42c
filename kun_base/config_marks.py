"""Marks on configuration keys, for the programs that write examples and documentation from them."""


class CommentedOut:
    """Of a key that the example file shows behind a #, because no value in the file means its default."""


COMMENTED_OUT = CommentedOut()
