/*
 * The raw limit that a migration is measured against: a memory file goes through a Unix socket into fresh
 * shared memory, by two processes that do nothing else. Prints the seconds it took.
 *
 *     raw-copy FILE read|pwrite
 *
 * read: the receiver reads straight into the mapping; pwrite: into a buffer of 1 MiB, then whole pages to
 * the descriptor (no page faults).
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#define BUFFER (1u << 20)

static void die(const char *what)
{
    fprintf(stderr, "raw-copy: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void receive(int fd, size_t size, bool by_pwrite)
{
    int memory = memfd_create("raw-copy", MFD_CLOEXEC);
    uint8_t *map, *buffer = aligned_alloc(4096, BUFFER);
    size_t done = 0, fill = 0;

    if (memory < 0 || ftruncate(memory, (off_t)size) != 0) {
        die("memfd");
    }
    map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
    if (map == MAP_FAILED) {
        die("mmap");
    }
    while (done + fill < size) {
        size_t room = size - done - fill < BUFFER - fill ? size - done - fill : BUFFER - fill;
        ssize_t n = by_pwrite ? read(fd, buffer + fill, room) : read(fd, map + done, BUFFER < size - done ? BUFFER : size - done);

        if (n <= 0) {
            die("read");
        }
        if (!by_pwrite) {
            done += (size_t)n;
            continue;
        }
        fill += (size_t)n;
        if (fill == BUFFER || done + fill == size) {
            if (pwrite(memory, buffer, fill, (off_t)done) != (ssize_t)fill) {
                die("pwrite");
            }
            done += fill;
            fill = 0;
        }
    }
    if (write(fd, "", 1) != 1) {
        die("write");
    }
    exit(0);
}

int main(int argc, char **argv)
{
    struct stat st;
    struct timespec begin, end;
    int fds[2], file, status;
    char byte;
    uint8_t *map;

    if (argc != 3 || (file = open(argv[1], O_RDONLY)) < 0 || fstat(file, &st) != 0) {
        die("usage: raw-copy FILE read|pwrite");
    }
    map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, file, 0);
    if (map == MAP_FAILED || socketpair(AF_UNIX, SOCK_STREAM, 0, fds) != 0) {
        die("set-up");
    }
    pid_t child = fork();
    if (child == 0) {
        close(fds[0]);
        receive(fds[1], (size_t)st.st_size, strcmp(argv[2], "pwrite") == 0);
    }
    close(fds[1]);
    clock_gettime(CLOCK_MONOTONIC, &begin);
    for (off_t done = 0; done < st.st_size;) {
        size_t left = (size_t)(st.st_size - done);
        ssize_t n = write(fds[0], map + done, left < 2 * BUFFER ? left : 2 * BUFFER);

        if (n <= 0) {
            die("write");
        }
        done += n;
    }
    if (read(fds[0], &byte, 1) != 1 || waitpid(child, &status, 0) != child || status != 0) {
        die("receiver");
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    printf("%.6f\n", (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9);
    return 0;
}
