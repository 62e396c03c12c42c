# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""Many datagrams per system call (recvmmsg, sendmmsg): what udp_server.py does one by one, compiled.

Only the moving of bytes is here; every answer comes from the same `front` as without this module.

Twin: transport/udp_server.py.
"""

from cpython.bytearray cimport PyByteArray_AS_STRING
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.errno cimport EAGAIN, EINTR, errno
from libc.string cimport memcpy, memset

from kun_dns64.fastpath.system cimport MSG_DONTWAIT, iovec, mmsghdr, msghdr, recvmmsg, sendmmsg

cdef extern from *:
    """
    #ifndef _GNU_SOURCE
    #define _GNU_SOURCE
    #endif
    #include <netinet/in.h>
    """
    struct in_addr:
        pass
    struct sockaddr_storage:
        unsigned short ss_family
    struct sockaddr_in:
        in_addr sin_addr
    struct sockaddr_in6:
        in_addr sin6_addr
    struct cmsghdr:
        int cmsg_level
        int cmsg_type
    struct in_pktinfo:
        int ipi_ifindex
        in_addr ipi_spec_dst
        in_addr ipi_addr
    cmsghdr *CMSG_FIRSTHDR(msghdr *)
    unsigned char *CMSG_DATA(cmsghdr *)
    int AF_INET
    int IPPROTO_IP
    int IP_PKTINFO

cdef enum:
    WIDTH = 64
    QUERY_BYTES = 65536
    CONTROL_BYTES = 64
    # Full rounds per turn of the event loop, so that timers and other sockets get theirs.
    ROUNDS = 4


cdef class Later:
    """One reply, when it is ready: to where the query came from, and from where it was sent to."""

    cdef Batch _batch
    cdef bytes _message
    cdef sockaddr_storage _peer
    cdef unsigned int _peer_bytes
    cdef unsigned char _control[CONTROL_BYTES]
    cdef size_t _control_bytes

    def __call__(self, bytes message):
        if message is not None and self._batch._fd >= 0:
            self._message = message
            self._batch.put_off(self)


cdef class Batch:
    """One UDP socket. `drain` is the reader callback of the event loop; `close` ends it and what is still unsent.

    `wildcard`: replies leave from the address the query was sent to (RFC 2181 section 4.1), by IP_PKTINFO. `soon`: the
    event loop's `call_soon`; replies that become ready in one turn of it leave together.
    """

    cdef int _fd
    cdef bint _wildcard
    cdef object _front
    cdef bytearray _room
    cdef sockaddr_storage _peers[WIDTH]
    cdef unsigned char _controls[WIDTH][CONTROL_BYTES]
    cdef iovec _in[WIDTH]
    cdef iovec _out[WIDTH]
    cdef mmsghdr _heard[WIDTH]
    cdef mmsghdr _said[WIDTH]
    cdef object _soon
    cdef list _ready
    cdef iovec _ready_out[WIDTH]
    cdef mmsghdr _ready_said[WIDTH]

    def __init__(self, int fd, bint wildcard, object front, object soon):
        cdef int i
        cdef char *room
        self._fd, self._wildcard = fd, wildcard
        self._front, self._soon, self._ready = front, soon, []
        self._room = bytearray(WIDTH * QUERY_BYTES)
        room = PyByteArray_AS_STRING(self._room)
        for i in range(WIDTH):
            self._in[i].iov_base = &room[i * QUERY_BYTES]
            self._in[i].iov_len = QUERY_BYTES
            self._empty(i)

    def close(self):
        self.send_ready()
        self._fd = -1

    def drain(self):
        """Takes what has arrived and answers what can be answered at once; the rest goes to `front.handle_datagram`."""
        cdef int rounds, count, i
        for rounds in range(ROUNDS):
            count = self._receive()
            if count > 0:
                try:
                    self._answer(count)
                finally:
                    for i in range(count):
                        self._empty(i)
            if count < WIDTH or self._fd < 0:
                return

    cdef int _receive(self):
        cdef int count
        with nogil:
            count = recvmmsg(self._fd, self._heard, WIDTH, MSG_DONTWAIT, NULL)
        return count

    cdef void _empty(self, int i):
        """Ready for the next datagram."""
        cdef msghdr *header = &self._heard[i].msg_hdr
        memset(header, 0, sizeof(msghdr))
        header.msg_name, header.msg_namelen = &self._peers[i], sizeof(sockaddr_storage)
        header.msg_iov, header.msg_iovlen = &self._in[i], 1
        if self._wildcard:
            header.msg_control, header.msg_controllen = self._controls[i], CONTROL_BYTES

    cdef void _answer(self, int count) except *:
        cdef int i, ready = 0
        cdef bytes wire, source
        cdef object reply
        cdef list replies = []
        # Others as soon as the limits are.
        cdef object quick = self._front.quick, handle = self._front.handle_datagram
        for i in range(count):
            wire = PyBytes_FromStringAndSize(<char *>self._in[i].iov_base, self._heard[i].msg_len)
            source = self._source(i)
            if self._wildcard:
                _from_where_it_was_sent(&self._heard[i].msg_hdr)
            reply = quick(wire, source)
            if reply is None:
                handle(wire, source, self._later(i))
                continue
            replies.append(reply)
            self._out[ready].iov_base = PyBytes_AS_STRING(reply)
            self._out[ready].iov_len = PyBytes_GET_SIZE(reply)
            self._said[ready].msg_hdr = self._heard[i].msg_hdr
            self._said[ready].msg_hdr.msg_iov = &self._out[ready]
            self._said[ready].msg_hdr.msg_flags = 0
            ready += 1
        self._send(self._said, ready)

    cdef int put_off(self, Later later) except -1:
        self._ready.append(later)
        if len(self._ready) == 1:
            self._soon(self.send_ready)
        elif len(self._ready) == WIDTH:
            self.send_ready()
        return 0

    def send_ready(self):
        """What has been put off. Nothing may be left: then the call was for replies that have gone already."""
        cdef list ready = self._ready
        cdef Later later
        cdef msghdr *header
        cdef int i = 0
        if not ready or self._fd < 0:
            return
        self._ready = []
        for later in ready:
            self._ready_out[i].iov_base = PyBytes_AS_STRING(later._message)
            self._ready_out[i].iov_len = PyBytes_GET_SIZE(later._message)
            header = &self._ready_said[i].msg_hdr
            memset(header, 0, sizeof(msghdr))
            header.msg_name, header.msg_namelen = &later._peer, later._peer_bytes
            header.msg_iov, header.msg_iovlen = &self._ready_out[i], 1
            if later._control_bytes:
                header.msg_control, header.msg_controllen = later._control, later._control_bytes
            i += 1
        self._send(self._ready_said, i)

    cdef void _send(self, mmsghdr *said, int ready):
        cdef int sent = 0, now_sent
        while sent < ready:
            with nogil:
                now_sent = sendmmsg(self._fd, &said[sent], ready - sent, MSG_DONTWAIT)
            if now_sent > 0:
                sent += now_sent
            elif errno == EAGAIN:
                return  # a full buffer: UDP promises nothing, the client asks again
            elif errno != EINTR:
                sent += 1  # this client cannot be reached; the others can

    cdef bytes _source(self, int i):
        if self._peers[i].ss_family == AF_INET:
            return PyBytes_FromStringAndSize(<char *>&(<sockaddr_in *>&self._peers[i]).sin_addr, 4)
        return PyBytes_FromStringAndSize(<char *>&(<sockaddr_in6 *>&self._peers[i]).sin6_addr, 16)

    cdef Later _later(self, int i):
        cdef Later later = Later.__new__(Later)
        cdef msghdr *header = &self._heard[i].msg_hdr
        later._batch = self
        later._peer = self._peers[i]
        later._peer_bytes = header.msg_namelen
        later._control_bytes = header.msg_controllen if self._wildcard else 0
        if later._control_bytes:
            memcpy(later._control, header.msg_control, later._control_bytes)
        return later


cdef void _from_where_it_was_sent(msghdr *header):
    """Turns the control message of a query into the one of its reply."""
    cdef cmsghdr *control = CMSG_FIRSTHDR(header)
    cdef in_pktinfo *info
    if control != NULL and control.cmsg_level == IPPROTO_IP and control.cmsg_type == IP_PKTINFO:
        info = <in_pktinfo *>CMSG_DATA(control)
        # Interface 0: routing chooses.
        info.ipi_ifindex = 0
        info.ipi_spec_dst = info.ipi_addr
