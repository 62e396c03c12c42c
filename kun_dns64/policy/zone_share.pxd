# Types for zone_share.py where it is compiled.
cimport cython


@cython.locals(place=Py_ssize_t, length=Py_ssize_t, count=Py_ssize_t, top=Py_ssize_t, second=Py_ssize_t,
               labels=Py_ssize_t, own=Py_ssize_t, index=Py_ssize_t, starts=list, found=list)
cpdef list zones_of(bytes name)


cdef class Allowance:
    cdef public double at, ceiling, left, most, per_s, since

    cpdef bint has_one(self, double now) except -1
    cpdef take(self)
    @cython.locals(gained=double)
    cpdef give_back(self)


cdef class ZoneShares:
    cdef double _parts
    cdef Allowance _all
    cdef public dict _groups

    cpdef forget(self, group)
    @cython.locals(zones=dict, zone=Allowance, silent=list, suffix=bytes, has_one=bint)
    cpdef int admits(self, bytes name, group, double now, Allowance client) except -2
    @cython.locals(zones=dict, zone=Allowance, suffix=bytes)
    cpdef int goes_on(self, bytes name, group, double put_at, double now, Allowance client) except -2
    @cython.locals(zones=dict, zone=Allowance, suffix=bytes, found=list, level=Py_ssize_t, most=double)
    cpdef int charge(self, bytes name, group, double put_at, double now) except -2
    @cython.locals(zones=dict, zone=Allowance, suffix=bytes)
    cpdef answered(self, bytes name, group, double now, int paid, Allowance client)
    cpdef _pay(self, Allowance client)
