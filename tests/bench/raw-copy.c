/*
 * The raw limits that a migration is measured against, by processes that do nothing else. Prints
 * the wall seconds and the processor seconds of both sides.
 *
 *     raw-copy FILE HOW CHANNELS fresh|touched
 *
 * HOW: read    through Unix sockets, the receiver reads straight into its mapping
 *      pwrite  the same, but into a buffer of 1 MiB, then whole pages to the descriptor (no page
 * faults) memcpy  from mapping to mapping, no socket scan    only reads the file's memory and looks
 * for a byte that is not zero Each channel moves its share of the file, by a thread on either side.
 * touched: the receiving memory is populated before the clock starts.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BUFFER       (1u << 20)
#define MAX_CHANNELS 16

typedef enum { READ, PWRITE, MEMCPY, SCAN } How;

typedef struct {
    How how;
    int fd;        /* the channel's socket */
    int memory;    /* the receiving memfd */
    uint8_t *to;   /* its mapping */
    uint8_t *from; /* the file's mapping */
    size_t begin, end;
    bool found; /* a byte that is not zero */
} Channel;

static void die(const char *what)
{
    fprintf(stderr, "raw-copy: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void *receive(void *data)
{
    const Channel *c = data;
    uint8_t *buffer = aligned_alloc(4096, BUFFER);
    size_t at = c->begin, fill = 0;

    while (at + fill < c->end) {
        size_t room = c->end - at - fill;
        uint8_t *into = c->how == PWRITE ? buffer + fill : c->to + at;
        size_t most = BUFFER - (c->how == PWRITE ? fill : 0);
        ssize_t n = read(c->fd, into, room < most ? room : most);

        if (n <= 0) {
            die("read");
        }
        if (c->how == READ) {
            at += (size_t)n;
            continue;
        }
        fill += (size_t)n;
        if (fill == BUFFER || at + fill == c->end) {
            if (pwrite(c->memory, buffer, fill, (off_t)at) != (ssize_t)fill) {
                die("pwrite");
            }
            at += fill;
            fill = 0;
        }
    }
    if (write(c->fd, "", 1) != 1) {
        die("write");
    }
    free(buffer);
    return NULL;
}

static bool has_data(const uint64_t *words, size_t n)
{
    for (size_t i = 0; i < n; i += 64) {
        uint64_t any = 0;

        for (size_t k = 0; k < 64; k++) {
            any |= words[i + k];
        }
        if (any != 0) {
            return true;
        }
    }
    return false;
}

static void *send_share(void *data)
{
    Channel *c = data;
    char byte;

    if (c->how == MEMCPY) {
        memcpy(c->to + c->begin, c->from + c->begin, c->end - c->begin);
        return NULL;
    }
    if (c->how == SCAN) {
        /* Every page is looked at, as a migration does, whatever the ones before hold. */
        for (size_t at = c->begin; at < c->end; at += 4096) {
            c->found |= has_data((const uint64_t *)(const void *)(c->from + at), 512);
        }
        return NULL;
    }
    for (size_t at = c->begin; at < c->end;) {
        size_t left = c->end - at;
        ssize_t n = write(c->fd, c->from + at, left < 2 * BUFFER ? left : 2 * BUFFER);

        if (n <= 0) {
            die("write");
        }
        at += (size_t)n;
    }
    if (read(c->fd, &byte, 1) != 1) {
        die("receiver");
    }
    return NULL;
}

static void run_all(void *(*work)(void *), Channel *channels, int n)
{
    pthread_t threads[MAX_CHANNELS];

    for (int i = 0; i < n; i++) {
        if (pthread_create(&threads[i], NULL, work, &channels[i]) != 0) {
            die("thread");
        }
    }
    for (int i = 0; i < n; i++) {
        pthread_join(threads[i], NULL);
    }
}

static double seconds(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

static double cpu_of(int who)
{
    struct rusage usage;

    getrusage(who, &usage);
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static How how_of(const char *name)
{
    static const char *const names[] = { "read", "pwrite", "memcpy", "scan" };

    for (int i = 0; i < 4; i++) {
        if (strcmp(names[i], name) == 0) {
            return (How)i;
        }
    }
    die("usage: raw-copy FILE read|pwrite|memcpy|scan CHANNELS fresh|touched");
    return READ;
}

int main(int argc, char **argv)
{
    Channel out[MAX_CHANNELS] = { 0 }, in[MAX_CHANNELS] = { 0 };
    struct stat st;
    int file = -1, memory, status, n = argc == 5 ? atoi(argv[3]) : 0;

    if (n < 1 || n > MAX_CHANNELS || (file = open(argv[1], O_RDONLY)) < 0 ||
        fstat(file, &st) != 0) {
        die("usage: raw-copy FILE read|pwrite|memcpy|scan CHANNELS fresh|touched");
    }
    size_t size = (size_t)st.st_size;
    How how = how_of(argv[2]);
    uint8_t *from = mmap(NULL, size, PROT_READ, MAP_SHARED, file, 0);

    memory = memfd_create("raw-copy", MFD_CLOEXEC);
    if (memory < 0 || ftruncate(memory, (off_t)size) != 0) {
        die("memfd");
    }
    uint8_t *to = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
    if (from == MAP_FAILED || to == MAP_FAILED) {
        die("mmap");
    }
    if (strcmp(argv[4], "touched") == 0) {
        memset(to, 1, size);
    }
    for (int i = 0; i < n; i++) {
        int fds[2];

        if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) != 0) {
            die("socketpair");
        }
        out[i] = (Channel){ .how = how,
                            .fd = fds[0],
                            .memory = memory,
                            .to = to,
                            .from = from,
                            .begin = size / 4096 * (size_t)i / (size_t)n * 4096,
                            .end = size / 4096 * (size_t)(i + 1) / (size_t)n * 4096 };
        in[i] = out[i];
        in[i].fd = fds[1];
    }

    double cpu = cpu_of(RUSAGE_SELF), begin = now();
    pid_t child = how == READ || how == PWRITE ? fork() : 0;
    if (child == 0 && (how == READ || how == PWRITE)) {
        run_all(receive, in, n);
        exit(0);
    }
    run_all(send_share, out, n);
    double wall = now() - begin;
    if (child > 0 && (waitpid(child, &status, 0) != child || status != 0)) {
        die("receiver");
    }
    printf("%.6f %.6f\n", wall, cpu_of(RUSAGE_SELF) - cpu + cpu_of(RUSAGE_CHILDREN));
    return 0;
}
