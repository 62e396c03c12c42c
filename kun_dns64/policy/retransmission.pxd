# Types for retransmission.py where it is compiled.
cdef class RoundTrip:
    cdef public double ceiling_s, srtt_s, rttvar_s
    cdef public long samples, unclear, doublings

    cpdef measured(self, double rtt_s)
    cpdef ambiguous(self)
    cpdef double rto_s(self) except -1
