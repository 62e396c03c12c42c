# Types for the arithmetic of lifetime.py where it is compiled. TTLs have 31 bits, so none of it can overflow.
cpdef long received_ttl(long ttl, long most, long age) noexcept
cpdef long soa_ttl(long ttl, long minimum) noexcept
cpdef long capped_ttl(long counting, long cap) noexcept
cpdef long steady_seconds(long counting, long cap) noexcept
cpdef long due_age(long lifetime, long part) noexcept
cpdef long reply_lifetime(long steady_s, long own_steady_s, long least_ttl) noexcept
