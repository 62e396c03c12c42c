"""Fuzzing of the compiled parts under ASan and UBSan."""
