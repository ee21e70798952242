/*
 * Preloaded into migmon by tests/live/creations.py: makes one call of a system function fail.
 *
 *     MIGMON_REFUSE=NTH:ERRNO:RETURN[,RETURN...]
 *
 * RETURN (hexadecimal, an offset in the program) is the address that the call returns to, so only
 * that place of the program is concerned; the NTH call from there fails with errno ERRNO, once.
 * "refused: FUNCTION" on stderr tells the test that it happened.
 *
 *     MIGMON_REFUSE=list     "reached: RETURN" on stderr for each call from the program
 *
 * The address sanitizer has interceptors of its own for some of the functions: this library has to
 * come before it (ASAN_OPTIONS=verify_asan_link_order=0), so that the return address is the
 * program's.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <link.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/pidfd.h>
#include <sys/types.h>
#include <unistd.h>

#define PLACES 16

static bool list;
static int refused_errno;
static uintptr_t program, program_end;
static uintptr_t places[PLACES];
static _Atomic int left; /* calls until the one that fails; 0 = done */

/* The first object is the program. */
static int find_program(struct dl_phdr_info *info, size_t size, void *data)
{
    (void)size;
    (void)data;
    program = info->dlpi_addr;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];

        if (header->p_type == PT_LOAD) {
            program_end = program + header->p_vaddr + header->p_memsz;
        }
    }
    return 1;
}

__attribute__((constructor)) static void configure(void)
{
    const char *text = getenv("MIGMON_REFUSE");
    char *end;

    if (text == NULL) {
        return;
    }
    dl_iterate_phdr(find_program, NULL);
    list = strcmp(text, "list") == 0;
    if (list) {
        return;
    }
    int nth = (int)strtol(text, &end, 10);
    refused_errno = (int)strtol(end + 1, &end, 10);
    for (int i = 0; i < PLACES && *end != '\0'; i++) {
        places[i] = strtoul(end + 1, &end, 16);
    }
    atomic_store(&left, nth);
}

static bool is_refused(const char *function, const void *to)
{
    uintptr_t at = (uintptr_t)to;

    if (at < program || at >= program_end) {
        return false;
    }
    if (list) {
        dprintf(2, "reached: %lx\n", (unsigned long)(at - program));
        return false;
    }
    for (int i = 0; i < PLACES && places[i] != 0; i++) {
        if (places[i] == at - program && atomic_load(&left) > 0 &&
            atomic_fetch_sub(&left, 1) == 1) {
            dprintf(2, "refused: %s\n", function);
            errno = refused_errno;
            return true;
        }
    }
    return false;
}

#define REAL(name)                                                                                 \
    static __typeof__(name) *real;                                                                 \
    if (real == NULL) {                                                                            \
        real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name);                                        \
    }

/* A function @name that returns @failed (an expression) when it is refused. */
#define WRAP(type, name, parameters, arguments, failed)                                            \
    type name parameters                                                                           \
    {                                                                                              \
        REAL(name)                                                                                 \
        return is_refused(#name, __builtin_return_address(0)) ? (failed) : real arguments;         \
    }

#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#pragma GCC diagnostic ignored "-Wredundant-decls"

WRAP(int, socket, (int d, int t, int p), (d, t, p), -1)
WRAP(int, socketpair, (int d, int t, int p, int fds[2]), (d, t, p, fds), -1)
WRAP(int, accept4, (int fd, struct sockaddr *restrict a, socklen_t *restrict n, int f),
     (fd, a, n, f), -1)
WRAP(int, bind, (int fd, const struct sockaddr *a, socklen_t n), (fd, a, n), -1)
WRAP(int, listen, (int fd, int n), (fd, n), -1)
WRAP(int, getaddrinfo,
     (const char *restrict h, const char *restrict p, const struct addrinfo *restrict i,
      struct addrinfo **restrict r),
     (h, p, i, r), EAI_SYSTEM)
WRAP(void *, mmap64, (void *a, size_t n, int p, int f, int fd, off64_t o), (a, n, p, f, fd, o),
     MAP_FAILED)
WRAP(int, memfd_create, (const char *n, unsigned f), (n, f), -1)
WRAP(int, eventfd, (unsigned v, int f), (v, f), -1)
WRAP(int, eventfd_write, (int fd, eventfd_t v), (fd, v), -1)
WRAP(int, poll, (struct pollfd * p, nfds_t n, int t), (p, n, t), -1)
WRAP(int, fsync, (int fd), (fd), -1)
WRAP(int, fdatasync, (int fd), (fd), -1)
WRAP(int, ftruncate64, (int fd, off64_t n), (fd, n), -1)
WRAP(int, fallocate64, (int fd, int m, off64_t o, off64_t n), (fd, m, o, n), -1)
WRAP(int, dup, (int fd), (fd), -1)
WRAP(int, pipe2, (int fds[2], int f), (fds, f), -1)
WRAP(FILE *, fdopen, (int fd, const char *m), (fd, m), NULL)
WRAP(DIR *, opendir, (const char *p), (p), NULL)
WRAP(int, rename, (const char *a, const char *b), (a, b), -1)
WRAP(int, pidfd_open, (pid_t p, unsigned f), (p, f), -1)
WRAP(int, pthread_create,
     (pthread_t *restrict t, const pthread_attr_t *restrict a, void *(*f)(void *),
      void *restrict d),
     (t, a, f, d), refused_errno)
WRAP(int, posix_spawnp,
     (pid_t *restrict p, const char *restrict f, const posix_spawn_file_actions_t *restrict a,
      const posix_spawnattr_t *restrict s, char *const v[restrict], char *const e[restrict]),
     (p, f, a, s, v, e), refused_errno)

int open64(const char *path, int flags, ...)
{
    va_list rest;

    va_start(rest, flags);
    mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    REAL(open64)
    return is_refused("open64", __builtin_return_address(0)) ? -1 : real(path, flags, mode);
}

long syscall(long number, ...)
{
    va_list rest;
    long a[6];

    va_start(rest, number);
    for (size_t i = 0; i < G_N_ELEMENTS(a); i++) {
        a[i] = va_arg(rest, long);
    }
    va_end(rest);
    REAL(syscall)
    return is_refused("syscall", __builtin_return_address(0))
               ? -1
               : real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

static GThread *no_thread(GError **error)
{
    g_set_error(error, G_THREAD_ERROR, G_THREAD_ERROR_AGAIN, "%s", g_strerror(refused_errno));
    return NULL;
}

WRAP(GThread *, g_thread_try_new, (const char *n, GThreadFunc f, gpointer d, GError **error),
     (n, f, d, error), no_thread(error))

static gboolean no_file(GError **error)
{
    g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(refused_errno), "%s",
                g_strerror(refused_errno));
    return FALSE;
}

WRAP(gboolean, g_file_get_contents, (const char *f, char **t, gsize *n, GError **error),
     (f, t, n, error), no_file(error))
WRAP(gboolean, g_file_set_contents_full,
     (const char *f, const char *t, gssize n, GFileSetContentsFlags s, int m, GError **error),
     (f, t, n, s, m, error), no_file(error))
WRAP(int, g_mkdir_with_parents, (const char *p, int m), (p, m), -1)
