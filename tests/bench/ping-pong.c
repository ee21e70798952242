/*
 * A question of 16 bytes and an answer of a page, again and again, between two processes over a
 * socket: what a page request costs at the least, beside whatever else the machine does.
 *
 *     ping-pong unix|tcp SECONDS PAUSE_US    prints the number of rounds and the median in
 * microseconds
 *
 * PAUSE_US between two rounds: 0 keeps both ends awake and their caches warm, a pause lets them
 * fall asleep, as those who ask for pages do.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define QUESTION 16
#define ANSWER   4106 /* a page with its header */
#define MAX      (1u << 22)

static uint64_t now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static int move_all(int fd, char *bytes, size_t size, int sending)
{
    for (size_t done = 0; done < size;) {
        ssize_t n = sending ? send(fd, bytes + done, size - done, MSG_NOSIGNAL)
                            : recv(fd, bytes + done, size - done, 0);

        if (n <= 0) {
            return 0;
        }
        done += (size_t)n;
    }
    return 1;
}

static void answer(int fd)
{
    static char bytes[ANSWER];

    while (move_all(fd, bytes, QUESTION, 0) && move_all(fd, bytes, ANSWER, 1)) {}
}

static int connect_tcp(int ret[2])
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    socklen_t length = sizeof at;
    int one = 1, listener = socket(AF_INET, SOCK_STREAM, 0);

    ret[0] = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, (struct sockaddr *)&at, length) < 0 || listen(listener, 1) < 0 ||
        getsockname(listener, (struct sockaddr *)&at, &length) < 0 ||
        connect(ret[0], (struct sockaddr *)&at, length) < 0 ||
        (ret[1] = accept(listener, NULL, NULL)) < 0) {
        return -1;
    }
    setsockopt(ret[0], IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(ret[1], IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return close(listener);
}

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    static char bytes[ANSWER];
    uint32_t *took = malloc(MAX * sizeof *took);
    unsigned n = 0;
    int fds[2];

    if (argc != 4 || took == NULL ||
        (strcmp(argv[1], "tcp") == 0 ? connect_tcp(fds)
                                     : socketpair(AF_UNIX, SOCK_STREAM, 0, fds)) < 0) {
        fprintf(stderr, "usage: ping-pong unix|tcp SECONDS PAUSE_US\n");
        return 1;
    }
    useconds_t pause_us = (useconds_t)atoi(argv[3]);
    pid_t child = fork();
    if (child == 0) {
        close(fds[0]);
        answer(fds[1]);
        _exit(0);
    }
    close(fds[1]);
    uint64_t end = now_ns() + (uint64_t)(atof(argv[2]) * 1e9);
    while (n < MAX && now_ns() < end) {
        uint64_t start = now_ns();

        if (!move_all(fds[0], bytes, QUESTION, 1) || !move_all(fds[0], bytes, ANSWER, 0)) {
            return 1;
        }
        took[n++] = (uint32_t)((now_ns() - start) / 1000);
        if (pause_us > 0) {
            usleep(pause_us);
        }
    }
    close(fds[0]);
    waitpid(child, NULL, 0);
    qsort(took, n, sizeof *took, by_value);
    printf("%u %u\n", n, n > 0 ? took[n / 2] : 0);
    free(took);
    return 0;
}
