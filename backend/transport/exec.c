/*
 * A child process at the other end of a pipe: outgoing writes its standard
 * input, incoming reads its standard output. One way.
 *
 * The child has its own process group, so that the processes that a shell
 * starts can be killed with it, and it starts with default signals. Every wait
 * reads its standard error and keeps the end of it for messages. Its exit
 * status is part of the result: finish waits for it on the outgoing side, and
 * the read that finds the end of the stream on the incoming side.
 *
 * The group is signalled only until its leader is reaped, because its number
 * may be reused afterwards. @lock protects both.
 */
#include "backend/transport/transport-private.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backend/base/error.h"
#include "backend/base/fault.h"

#define STDERR_KEPT  4096
#define STDERR_READS 64 /* in one go */
#define PIPE_ROOM    (1024 * 1024)
/* How long to wait for the error message of a child that does not read any more. */
#define LAST_WORDS_MS 200
/* How long a child that has closed its output may take to end. */
#define END_MS 30000
/* A pipe does not report that it has become empty, so it is polled at this interval. */
#define EMPTY_LOOK_MS 5
/* Exit status of a shell for a command that cannot be run, or does not exist. */
#define CANNOT_RUN 126
#define NOT_FOUND  127

typedef struct {
    Transport base; /* fd: our end of the pipe, not shared, non-blocking */
    StreamDirection direction;
    char *command; /* for messages */
    int pid_fd;    /* readable once the child is dead */

    /* Only the thread that reads or writes touches these. */
    int stderr_fd;       /* -1 at its end */
    GString *stderr_end; /* its last STDERR_KEPT bytes */
    bool collected;      /* @wait_status is valid */
    int wait_status;

    pthread_mutex_t lock;
    pid_t pid; /* under @lock; 0 once reaped */
} ExecTransport;

/* ---- the child ---- */

static void kill_group(ExecTransport *exec)
{
    pthread_mutex_lock(&exec->lock);
    if (exec->pid > 0) {
        kill(-exec->pid, SIGKILL);
    }
    pthread_mutex_unlock(&exec->lock);
}

/* Reads the exit status of a dead child. */
static void reap(ExecTransport *exec)
{
    pthread_mutex_lock(&exec->lock);
    if (exec->pid > 0) {
        while (waitpid(exec->pid, &exec->wait_status, 0) < 0 && errno == EINTR) {}
        exec->pid = 0;
        exec->collected = true;
    }
    pthread_mutex_unlock(&exec->lock);
}

/* Reads what the child has written to standard error so far; of one that writes without an end, a
 * part, so that the caller sees its deadline. */
static void drain_stderr(ExecTransport *exec)
{
    char buffer[1024];

    for (int i = 0; i < STDERR_READS && exec->stderr_fd >= 0; i++) {
        ssize_t got = read(exec->stderr_fd, buffer, sizeof buffer);

        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0 && errno == EAGAIN) {
            return;
        }
        if (got <= 0) {
            close(exec->stderr_fd);
            exec->stderr_fd = -1;
            return;
        }
        g_string_append_len(exec->stderr_end, buffer, got);
        if (exec->stderr_end->len > STDERR_KEPT) {
            g_string_erase(exec->stderr_end, 0, (gssize)(exec->stderr_end->len - STDERR_KEPT));
        }
    }
}

/* Time until @deadline_us (0 = none) in ms, as poll() takes it. */
static int left_ms(int64_t deadline_us)
{
    int64_t left = deadline_us - g_get_monotonic_time();

    return deadline_us == 0 ? -1 : (int)CLAMP((left + 999) / 1000, 0, G_MAXINT);
}

static int64_t deadline_in(uint32_t ms)
{
    return g_get_monotonic_time() + (int64_t)ms * 1000;
}

/* As wait_fd() with the transport's wake descriptor, but until a deadline (0 = none). Reads
 * standard error meanwhile: a child that blocks on writing it would never read our bytes. */
static WaitResult exec_wait_fd(ExecTransport *exec, int fd, short events, int64_t deadline_us)
{
    for (;;) {
        struct pollfd polled[] = {
            { .fd = exec->base.wake_fd, .events = POLLIN },
            { .fd = fd, .events = events },
            { .fd = exec->stderr_fd, .events = POLLIN },
        };
        int timeout = left_ms(deadline_us);
        int n = poll(polled, G_N_ELEMENTS(polled), timeout);

        if (n == 0) {
            return WAIT_TIMEOUT;
        }
        if (n < 0 && errno != EINTR && errno != EAGAIN) {
            return WAIT_FAILED;
        }
        if (n < 0) {
            continue;
        }
        if (polled[0].revents != 0) {
            return WAIT_WOKEN;
        }
        if (polled[2].revents != 0) {
            drain_stderr(exec);
        }
        if (polled[1].revents != 0) {
            return WAIT_READY;
        }
        if (timeout == 0) {
            return WAIT_TIMEOUT; /* also while the child keeps writing to standard error */
        }
    }
}

static bool exec_wait(ExecTransport *exec, int fd, short events, GError **error)
{
    WaitResult result = exec_wait_fd(exec, fd, events, 0);

    return transport_waited(&exec->base, result, errno, error);
}

/* ---- result of the child ---- */

/* The kept end of standard error as one line. */
static char *last_words(const ExecTransport *exec)
{
    g_autofree char *text = g_utf8_make_valid(exec->stderr_end->str, (gssize)exec->stderr_end->len);

    g_strstrip(text);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (size_t i = 0; lines[i] != NULL; i++) {
        g_strstrip(lines[i]);
        for (char *c = lines[i]; *c != '\0'; c++) {
            if (g_ascii_iscntrl(*c)) {
                *c = ' ';
            }
        }
    }
    return g_strjoinv("; ", lines);
}

/* "exec: 'CMD' failed with exit status 3: no space left"; NULL for success. */
static char *describe_failure(const ExecTransport *exec)
{
    int status = exec->wait_status;
    g_autofree char *words = last_words(exec);
    const char *colon = *words == '\0' ? "" : ": ";

    if (WIFSIGNALED(status)) {
        return g_strdup_printf("exec: '%s' was killed by signal %d (%s)%s%s", exec->command,
                               WTERMSIG(status), strsignal(WTERMSIG(status)), colon, words);
    }
    if (WEXITSTATUS(status) != 0) {
        return g_strdup_printf("exec: '%s' failed with exit status %d%s%s", exec->command,
                               WEXITSTATUS(status), colon, words);
    }
    return NULL;
}

/* Waits for the child's death and turns a failure into an error. */
static bool collect(ExecTransport *exec, GError **error)
{
    if (!exec->collected) {
        if (!exec_wait(exec, exec->pid_fd, POLLIN, error)) {
            return false;
        }
        reap(exec);
        drain_stderr(exec);
    }
    g_autofree char *failure = describe_failure(exec);
    if (failure != NULL) {
        return mig_fail(error, MIG_ERROR_IO, "%s", failure);
    }
    return true;
}

/* A child that does not read any more is about to end; its exit status explains more. */
static void hear_last_words(ExecTransport *exec)
{
    if (!exec->collected &&
        exec_wait_fd(exec, exec->pid_fd, POLLIN, deadline_in(LAST_WORDS_MS)) == WAIT_READY) {
        reap(exec);
        drain_stderr(exec);
    }
}

/* Sets QEMU's text for a failed read or write, with the child's message after it if there is one.
 */
static void set_io_error(ExecTransport *exec, const char *what, GError **error)
{
    int errnum = errno;

    if (errnum == EPIPE) {
        hear_last_words(exec);
    }
    g_autofree char *failure = exec->collected ? describe_failure(exec) : NULL;
    if (failure == NULL && exec->collected) {
        failure = g_strdup_printf("exec: '%s' ended before it had read everything", exec->command);
    }
    g_set_error(error, MIG_ERROR, MIG_ERROR_IO, "Unable to %s command: %s%s%s", what,
                g_strerror(errnum), failure != NULL ? ": " : "", failure != NULL ? failure : "");
}

/* ---- the transport ---- */

static ssize_t exec_readv(Transport *t, const struct iovec *iov, int n, GError **error)
{
    ExecTransport *exec = (ExecTransport *)t;

    if (exec->direction != STREAM_IN) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_IO, "%s is one way: nothing comes back", t->name);
        return -1;
    }
    while (exec_wait(exec, t->fd, POLLIN, error)) {
        ssize_t got = readv(t->fd, iov, n);

        if (got > 0) {
            return got;
        }
        if (got == 0) {
            /* The stream itself says whether it is complete: a child that does not end does not
             * keep the guest from running. */
            uint32_t end_ms = t->finish_timeout_ms != 0 ? t->finish_timeout_ms : END_MS;
            return (!exec->collected && exec_wait_fd(exec, exec->pid_fd, POLLIN,
                                                     deadline_in(end_ms)) == WAIT_TIMEOUT) ||
                           collect(exec, error)
                       ? 0
                       : -1;
        }
        if (errno != EAGAIN && errno != EINTR) {
            set_io_error(exec, "read from", error);
            break;
        }
    }
    return -1;
}

static ssize_t exec_writev(Transport *t, const struct iovec *iov, int n, GError **error)
{
    ExecTransport *exec = (ExecTransport *)t;

    if (exec->direction != STREAM_OUT || t->fd < 0) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_IO, "%s takes no more bytes", t->name);
        return -1;
    }
    for (;;) {
        ssize_t put = writev(t->fd, iov, n);

        if (put >= 0) {
            return put;
        }
        if (errno == EAGAIN) {
            if (!exec_wait(exec, t->fd, POLLOUT, error)) {
                return -1;
            }
        } else if (errno != EINTR) {
            set_io_error(exec, "write to", error);
            return -1;
        }
    }
}

/* Waits until the child has read everything. False when it cannot, or not in time. */
static bool await_empty(ExecTransport *exec, int64_t deadline_us, GError **error)
{
    Transport *t = &exec->base;
    int unread = 0;

    for (;;) {
        int64_t look = deadline_in(EMPTY_LOOK_MS);
        /* No events requested: ready means that no process has the other end open any more. */
        WaitResult result =
            exec_wait_fd(exec, t->fd, 0, deadline_us == 0 ? look : MIN(look, deadline_us));

        if (!transport_waited(t, result, errno, error)) {
            return false;
        }
        if (ioctl(t->fd, FIONREAD, &unread) < 0 || unread == 0) {
            return true;
        }
        if (result == WAIT_READY) {
            break;
        }
        if (deadline_us != 0 && g_get_monotonic_time() >= deadline_us) {
            return mig_fail(error, MIG_ERROR_IO, "exec: '%s' did not read everything within %u ms",
                            exec->command, t->finish_timeout_ms);
        }
    }
    t->undelivered = (size_t)unread;
    hear_last_words(exec);
    g_autofree char *failure = exec->collected ? describe_failure(exec) : NULL;
    if (failure != NULL) {
        g_set_error_literal(error, MIG_ERROR, MIG_ERROR_IO, failure);
    } else {
        g_set_error(error, MIG_ERROR, MIG_ERROR_IO,
                    "exec: '%s' ended before it had read everything", exec->command);
    }
    return false;
}

static bool exec_finish(Transport *t, GError **error)
{
    ExecTransport *exec = (ExecTransport *)t;
    int64_t deadline = t->finish_timeout_ms == 0 ? 0 : deadline_in(t->finish_timeout_ms);

    if (exec->direction == STREAM_IN) {
        return true;
    }
    bool taken = await_empty(exec, deadline, error);
    close(t->fd);
    t->fd = -1;
    if (!taken) {
        return false;
    }
    WaitResult result =
        exec->collected ? WAIT_READY : exec_wait_fd(exec, exec->pid_fd, POLLIN, deadline);
    if (!transport_waited(t, result, errno, error)) {
        return false;
    }
    if (result == WAIT_TIMEOUT) {
        return mig_fail(error, MIG_ERROR_IO,
                        "exec: '%s' has read everything, but did not end within %u ms",
                        exec->command, t->finish_timeout_ms);
    }
    if (collect(exec, error)) {
        return true;
    }
    if (exec->collected && WIFEXITED(exec->wait_status) &&
        (WEXITSTATUS(exec->wait_status) == CANNOT_RUN ||
         WEXITSTATUS(exec->wait_status) == NOT_FOUND)) {
        t->undelivered = SIZE_MAX;
    }
    return false;
}

static void exec_interrupt(Transport *t)
{
    kill_group((ExecTransport *)t);
}

static gpointer reap_later(gpointer pid)
{
    waitpid(GPOINTER_TO_INT(pid), NULL, 0);
    return NULL;
}

static void exec_free(Transport *t)
{
    ExecTransport *exec = (ExecTransport *)t;
    struct pollfd dead = { .fd = exec->pid_fd, .events = POLLIN };

    kill_group(exec);
    if (exec->pid > 0) {
        if (poll(&dead, 1, 1000) == 1) {
            reap(exec);
        } else {
            /* The child is stuck in the kernel: the caller does not wait for its end. */
            GThread *reaper = fault_thread_new("thread-exec-reaper", "exec-reaper", reap_later,
                                               GINT_TO_POINTER(exec->pid), NULL);
            g_clear_pointer(&reaper, g_thread_unref); /* without it the child stays a zombie */
        }
    }
    if (exec->pid_fd >= 0) {
        close(exec->pid_fd);
    }
    if (exec->stderr_fd >= 0) {
        close(exec->stderr_fd);
    }
    g_string_free(exec->stderr_end, TRUE);
    pthread_mutex_destroy(&exec->lock);
    g_free(exec->command);
    transport_clear(t);
    g_free(exec);
}

static const TransportOps exec_ops = {
    .kind = "exec",
    .readv = exec_readv,
    .writev = exec_writev,
    .free = exec_free,
    .finish = exec_finish,
    .interrupt = exec_interrupt,
};

/* ---- starting the child ---- */

/* Starts the child with @input, @output and @errors as its standard descriptors (-1 = /dev/null);
 * an errno, 0 for success. */
static int spawn(char **args, int input, int output, int errors, pid_t *ret)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    const int fds[] = { input, output, errors };
    sigset_t all, none;

    posix_spawn_file_actions_init(&actions);
    for (int i = 0; i < 3; i++) {
        if (fds[i] >= 0) {
            posix_spawn_file_actions_adddup2(&actions, fds[i], i);
        } else {
            posix_spawn_file_actions_addopen(&actions, i, "/dev/null", i == 0 ? O_RDONLY : O_WRONLY,
                                             0);
        }
    }
    /* If the child inherited a passed descriptor, its peer would not see the end. */
    posix_spawn_file_actions_addclosefrom_np(&actions, 3);

    sigfillset(&all);
    sigemptyset(&none);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK |
                                              POSIX_SPAWN_SETPGROUP);

    int failed = posix_spawnp(ret, args[0], &actions, &attributes, args, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return failed;
}

static bool make_pipe(MigFd *ret_read, MigFd *ret_write, GError **error)
{
    int fds[2];

    if (pipe2(fds, O_CLOEXEC) < 0) {
        mig_error_set_errno(error, errno, "Unable to make a pipe");
        return false;
    }
    /* If the program was started with a closed standard descriptor, a pipe could get its number,
     * and the child's descriptor would overwrite it. */
    for (int i = 0; i < 2; i++) {
        if (fds[i] < 3) {
            int high = fcntl(fds[i], F_DUPFD_CLOEXEC, 3);
            close(fds[i]);
            fds[i] = high;
        }
    }
    *ret_read = fds[0];
    *ret_write = fds[1];
    if (fds[0] < 0 || fds[1] < 0) {
        mig_error_set_errno(error, EMFILE, "Unable to make a pipe");
        return false;
    }
    return true;
}

static void set_nonblocking(int fd)
{
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

static ExecTransport *new_exec(const Address *address, StreamDirection direction, GError **error)
{
    g_autofree char *name = address_to_uri(address);
    ExecTransport *exec = g_new0(ExecTransport, 1);

    if (!transport_init(&exec->base, &exec_ops, -1, name, error)) {
        g_free(exec);
        return NULL;
    }
    exec->command = g_strdup(name + strlen("exec:"));
    name = NULL;
    exec->direction = direction;
    exec->pid_fd = exec->stderr_fd = -1;
    exec->stderr_end = g_string_new(NULL);
    pthread_mutex_init(&exec->lock, NULL);
    return exec;
}

/* Starts the command of @address. */
static Transport *open_exec(const Address *address, int ignored, StreamDirection direction,
                            GError **error)
{
    g_auto(MigFd) read_end = -1, write_end = -1, errors = -1, errors_end = -1;
    bool out = direction == STREAM_OUT;

    (void)ignored;
    if (address->args[0] == NULL) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC, "exec: no command is given");
        return NULL;
    }
    if (!make_pipe(&read_end, &write_end, error) || !make_pipe(&errors, &errors_end, error)) {
        return NULL;
    }
    ExecTransport *exec = new_exec(address, direction, error);
    if (exec == NULL) {
        return NULL;
    }
    g_autoptr(Transport) t = &exec->base;

    int failed =
        spawn(address->args, out ? read_end : -1, out ? -1 : write_end, errors_end, &exec->pid);
    if (failed != 0) {
        exec->pid = 0;
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC,
                    "Failed to execute child process “%s” (%s)", address->args[0],
                    g_strerror(failed));
        return NULL;
    }
    exec->pid_fd = pidfd_open(exec->pid, 0);
    if (exec->pid_fd < 0) {
        mig_error_set_errno(error, errno, "Unable to watch the child process");
        return NULL;
    }
    t->fd = mig_fd_steal(out ? &write_end : &read_end);
    exec->stderr_fd = mig_fd_steal(&errors);
    set_nonblocking(t->fd);
    set_nonblocking(exec->stderr_fd);
    fcntl(t->fd, F_SETPIPE_SZ, PIPE_ROOM);
    return g_steal_pointer(&t);
}

const AddressMaker exec_maker = { .open = open_exec };
