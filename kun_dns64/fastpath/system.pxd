# The system calls that the compiled parts make themselves.
from libc.time cimport time_t

cdef extern from *:
    """
    #ifndef _GNU_SOURCE
    #define _GNU_SOURCE
    #endif
    #include <sys/socket.h>
    #include <sys/uio.h>
    #include <time.h>
    """
    struct timespec:
        time_t tv_sec
        long tv_nsec
    int clock_gettime(int, timespec *) nogil
    int CLOCK_MONOTONIC
    struct iovec:
        void *iov_base
        size_t iov_len
    struct msghdr:
        void *msg_name
        unsigned int msg_namelen
        iovec *msg_iov
        size_t msg_iovlen
        void *msg_control
        size_t msg_controllen
        int msg_flags
    struct mmsghdr:
        msghdr msg_hdr
        unsigned int msg_len
    int recvmmsg(int, mmsghdr *, unsigned int, int, void *) nogil
    int sendmmsg(int, mmsghdr *, unsigned int, int) nogil
    ssize_t send_one "send"(int, const void *, size_t, int) nogil
    int MSG_DONTWAIT
