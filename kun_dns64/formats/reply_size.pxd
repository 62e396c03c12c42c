# Types for reply_size.py where it is compiled.
cpdef long offered(long payload, long most) noexcept
