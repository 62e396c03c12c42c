/* UDP load with what dnsperf lacks: latency from the moment a query was due (a late sender hides nothing), percentiles, and
 * enough speed to fill a server from one core. One thread, batched system calls, prints one JSON object.
 *
 * usage: load window N ...  closed loop: N queries outstanding       (how fast does it answer)
 *        load rate R ...    open loop: R queries a second, come what may   (how long does an answer take)
 *        ... ADDRESS PORT SOCKETS SECONDS PASSES FILE [PREFIX PREFIX]
 * With two prefixes (24 hex digits each) every answer is checked: the question byte for byte, and the address: one of the
 * prefixes before the IPv4 address that bench/names.py gives the name's number.
 * FILE holds queries in TCP framing (RFC 1035 section 4.2.2); ids are set here. It is read PASSES times (0: until SECONDS are over). */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum { BATCH = 32, SIZE = 2048, HEADER = 12, IDS = 65536, MAX_SOCKETS = 64, SUB = 32, BUCKETS = 64 * SUB };
enum { LOST_AFTER_NS = 1000000000, DRAIN_NS = 1000000000 };

struct flow {
    int sock;
    uint16_t next_id;
    unsigned open; /* queries without an answer yet */
    uint64_t due[IDS]; /* 0: this id is free */
    uint32_t asked[IDS]; /* where its query stands in the file */
};

static struct flow flows[MAX_SOCKETS];
static unsigned char *queries;
static uint32_t *offsets;
static size_t query_count;
static uint64_t sent, answered, empty, failed, lost, strays, wrong, histogram[BUCKETS];
static unsigned char prefixes[2][12];
static int checking;
static unsigned char inbox[BATCH][SIZE];

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

/* Buckets of 1/32 of a power of two: every percentile is exact to about 3 %. */
static int bucket_of(uint64_t ns)
{
    if (ns < SUB)
        return (int)ns;
    int power = 63 - __builtin_clzll(ns);
    int index = (power - 4) * SUB + (int)((ns >> (power - 5)) & (SUB - 1));
    return index < BUCKETS ? index : BUCKETS - 1;
}

static double bucket_us(int index)
{
    if (index < SUB)
        return index / 1e3;
    int power = index / SUB + 4;
    return ((double)(SUB + index % SUB) + 0.5) * (double)(1ull << (power - 5)) / 1e3;
}

static double percentile_us(double share)
{
    uint64_t wanted = (uint64_t)(share * (double)answered), seen = 0;
    for (int i = 0; i < BUCKETS; i++) {
        seen += histogram[i];
        if (seen > wanted)
            return bucket_us(i);
    }
    return 0;
}

static void read_queries(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END))
        fail(path);
    long size = ftell(file);
    rewind(file);
    queries = malloc((size_t)size);
    offsets = malloc((size_t)size / 2 * sizeof *offsets);
    if (size <= 0 || !queries || !offsets || fread(queries, 1, (size_t)size, file) != (size_t)size)
        fail(path);
    fclose(file);
    for (long at = 0; at + 2 <= size; at += 2 + (queries[at] << 8 | queries[at + 1]))
        offsets[query_count++] = (uint32_t)at;
}

static void open_flow(struct flow *flow, const struct sockaddr_in *server)
{
    int size = 4 << 20;
    flow->sock = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    if (flow->sock < 0 || connect(flow->sock, (const struct sockaddr *)server, sizeof *server) < 0)
        fail("connect");
    setsockopt(flow->sock, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
}

/* Sends up to `count` queries of one flow; each is due at `due` and then every `gap` ns. Returns how many left. */
static unsigned send_batch(struct flow *flow, size_t first, unsigned count, uint64_t due, double gap)
{
    struct mmsghdr messages[BATCH];
    struct iovec parts[BATCH];
    uint16_t ids[BATCH];
    memset(messages, 0, sizeof messages);
    for (unsigned i = 0; i < count; i++) {
        unsigned char *frame = queries + offsets[(first + i) % query_count];
        uint16_t id = ids[i] = flow->next_id++;
        if (flow->due[id]) {
            lost++;
            flow->open--;
        }
        flow->due[id] = due + (uint64_t)(gap * i);
        /* The same query may stand twice in a batch only if the file is shorter than a batch: callers see to that. */
        flow->asked[id] = offsets[(first + i) % query_count];
        frame[2] = (unsigned char)(id >> 8);
        frame[3] = (unsigned char)id;
        parts[i].iov_base = frame + 2;
        parts[i].iov_len = (size_t)(frame[0] << 8 | frame[1]);
        messages[i].msg_hdr.msg_iov = &parts[i];
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    int left = sendmmsg(flow->sock, messages, count, 0);
    unsigned done = left > 0 ? (unsigned)left : 0;
    if (left < 0 && errno != EAGAIN && errno != ECONNREFUSED && errno != ENOBUFS)
        fail("sendmmsg");
    for (unsigned i = done; i < count; i++)
        flow->due[ids[i]] = 0;
    flow->next_id = (uint16_t)(flow->next_id - (count - done));
    sent += done;
    flow->open += done;
    return done;
}

/* Behind the name at `at`; 0 when it does not end within the packet. */
static size_t after_name(const unsigned char *packet, size_t length, size_t at)
{
    while (at < length && packet[at]) {
        if (packet[at] & 0xc0)
            return at + 2 <= length ? at + 2 : 0;
        at += packet[at] + 1u;
    }
    return at < length ? at + 1 : 0;
}

/* The number in n000123.bench.example. gives 198.18.0.0 and so many, of 2^17. */
static uint32_t expected_ipv4(const unsigned char *query)
{
    uint32_t number = 0;
    for (int i = 0; i < 6; i++)
        number = number * 10 + (uint32_t)(query[HEADER + 2 + i] - '0');
    return (198u << 24 | 18u << 16) + number % (1u << 17);
}

/* Whether an AAAA record with the right address is among the answers. */
static int has_address(const unsigned char *packet, size_t length, size_t at, uint32_t ipv4)
{
    unsigned char end[4] = {(unsigned char)(ipv4 >> 24), (unsigned char)(ipv4 >> 16), (unsigned char)(ipv4 >> 8), (unsigned char)ipv4};
    for (int left = packet[6] << 8 | packet[7]; left; left--) {
        at = after_name(packet, length, at);
        if (!at || at + 10 > length)
            return 0;
        size_t size = (size_t)(packet[at + 8] << 8 | packet[at + 9]);
        const unsigned char *data = packet + at + 10;
        if (at + 10 + size > length)
            return 0;
        if (packet[at] == 0 && packet[at + 1] == 28 && size == 16 && !memcmp(data + 12, end, 4))
            return !memcmp(data, prefixes[0], 12) || !memcmp(data, prefixes[1], 12);
        at += 10 + size;
    }
    return 0;
}

/* SERVFAIL is no answer, so it is not a wrong one. */
static int is_wrong(const unsigned char *query, const unsigned char *packet, size_t length)
{
    size_t end = after_name(query, SIZE, HEADER) + 4;
    if (length < end || memcmp(packet + HEADER, query + HEADER, end - HEADER))
        return 1;
    return (packet[3] & 15) != 2 && ((packet[3] & 15) || !has_address(packet, length, end, expected_ipv4(query)));
}

static void take(struct flow *flow, const unsigned char *packet, size_t length, uint64_t now)
{
    uint16_t id = (uint16_t)(packet[0] << 8 | packet[1]);
    if (length < HEADER || !(packet[2] & 0x80) || !flow->due[id]) {
        strays++;
        return;
    }
    uint64_t due = flow->due[id];
    flow->due[id] = 0;
    flow->open--;
    histogram[bucket_of(now > due ? now - due : 0)]++;
    answered++;
    if (packet[3] & 15)
        failed++;
    else if (!(packet[6] | packet[7]))
        empty++;
    if (checking)
        wrong += (uint64_t)is_wrong(queries + flow->asked[id] + 2, packet, length);
}

static unsigned receive_batch(struct flow *flow)
{
    static struct mmsghdr messages[BATCH];
    static struct iovec parts[BATCH];
    for (int i = 0; i < BATCH; i++) {
        parts[i] = (struct iovec){inbox[i], SIZE};
        messages[i].msg_hdr.msg_iov = &parts[i];
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    int got = recvmmsg(flow->sock, messages, BATCH, MSG_DONTWAIT, NULL);
    uint64_t now = now_ns();
    for (int i = 0; i < got; i++)
        take(flow, inbox[i], messages[i].msg_len, now);
    return got > 0 ? (unsigned)got : 0;
}

static void sweep_lost(int count, uint64_t now)
{
    for (int f = 0; f < count; f++)
        for (int id = 0; id < IDS; id++)
            if (flows[f].due[id] && flows[f].due[id] + LOST_AFTER_NS < now) {
                flows[f].due[id] = 0;
                flows[f].open--;
                lost++;
            }
}

static void report(double seconds)
{
    printf("{\"sent\": %llu, \"answered\": %llu, \"empty\": %llu, \"failed\": %llu, \"lost\": %llu, \"strays\": %llu, "
           "\"wrong\": %llu, \"seconds\": %.6f, \"p50_us\": %.2f, \"p99_us\": %.2f, \"p999_us\": %.2f, \"max_us\": %.2f}\n",
           (unsigned long long)sent, (unsigned long long)answered, (unsigned long long)empty, (unsigned long long)failed,
           (unsigned long long)lost, (unsigned long long)strays, (unsigned long long)wrong, seconds, percentile_us(0.5),
           percentile_us(0.99), percentile_us(0.999), percentile_us(0.9999999));
}

struct plan {
    int open_loop, flows;
    double number, seconds, passes;
};

/* How many queries may leave now: the ones that are due, or the free places of the window. */
static double room_for(const struct plan *plan, uint64_t elapsed, double wanted)
{
    double room = plan->open_loop ? (double)elapsed * plan->number / 1e9 - (double)sent
                                  : plan->number - (double)(sent - answered - lost);
    double left = wanted - (double)sent;
    return room < left ? room : left;
}

/* Nothing to read and nothing to send: leave the core to the upstream that may share it. */
static void wait_for_answers(int count, int milliseconds)
{
    struct pollfd polls[MAX_SOCKETS];
    for (int f = 0; f < count; f++)
        polls[f] = (struct pollfd){.fd = flows[f].sock, .events = POLLIN};
    poll(polls, (nfds_t)count, milliseconds);
}

static double run(const struct plan *plan)
{
    double gap = plan->open_loop ? 1e9 / plan->number : 0;
    double wanted = plan->passes > 0 ? plan->passes * (double)query_count : 1e18;
    uint64_t start = now_ns(), end = start + (uint64_t)(plan->seconds * 1e9), swept = start, last = start;
    size_t position = 0;
    for (int turn = 0;; turn = (turn + 1) % plan->flows) {
        uint64_t now = now_ns();
        int sending = now < end && (double)sent < wanted;
        double room = sending ? room_for(plan, now - start, wanted) : 0;
        unsigned moved = 0;
        if (room >= 1) {
            uint64_t due = plan->open_loop ? start + (uint64_t)(gap * (double)sent) : now;
            moved = send_batch(&flows[turn], position, room < BATCH ? (unsigned)room : BATCH, due, gap);
            position += moved;
        }
        for (int f = 0; f < plan->flows; f++) {
            unsigned got = flows[f].open ? receive_batch(&flows[f]) : 0;
            moved += got;
            last = got ? now : last;
        }
        if (now - swept > LOST_AFTER_NS / 4) {
            sweep_lost(plan->flows, now);
            swept = now;
        }
        if (!sending && (answered + lost >= sent || now - last > DRAIN_NS))
            return (double)(last - start) / 1e9;
        /* A latency that is to be measured does not wait for the kernel to wake us. */
        if (!moved && (!plan->open_loop || checking))
            wait_for_answers(plan->flows, plan->open_loop ? 1 : 10);
    }
}

static int read_prefix(const char *hex, unsigned char *prefix)
{
    for (int i = 0; i < 12; i++)
        if (sscanf(hex + 2 * i, "%2hhx", prefix + i) != 1)
            return 0;
    return strlen(hex) == 24;
}

int main(int argc, char **argv)
{
    checking = argc == 11;
    if (argc != 9 && !(checking && read_prefix(argv[9], prefixes[0]) && read_prefix(argv[10], prefixes[1]))) {
        fprintf(stderr, "usage: load window|rate NUMBER ADDRESS PORT SOCKETS SECONDS PASSES FILE [PREFIX PREFIX]\n");
        return 2;
    }
    struct plan plan = {!strcmp(argv[1], "rate"), atoi(argv[5]), atof(argv[2]), atof(argv[6]), atof(argv[7])};
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(argv[4]))};
    if (plan.number <= 0 || plan.flows < 1 || plan.flows > MAX_SOCKETS || inet_pton(AF_INET, argv[3], &server.sin_addr) != 1) {
        fprintf(stderr, "load: bad number, socket count or address\n");
        return 2;
    }
    read_queries(argv[8]);
    if (query_count < BATCH) {
        fprintf(stderr, "load: the file needs %d queries or more\n", BATCH);
        return 2;
    }
    for (int f = 0; f < plan.flows; f++)
        open_flow(&flows[f], &server);
    double seconds = run(&plan);
    lost = sent - answered;
    report(seconds);
    return 0;
}
