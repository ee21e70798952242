/*
 * See guard.h.
 *
 * The handler of a crash uses nothing but poll, write and tcsetattr: it gives
 * the terminal back, puts the handler before it (a sanitizer's, or none) back
 * in place, and lets the signal come again.
 */
#include "monitor/terminal/guard.h"

#include <errno.h>
#include <glib-unix.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "tui/screen.h"

static const int crashes[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT };

static struct {
    bool armed;
    bool have_mode;
    struct termios found;
    struct sigaction before[G_N_ELEMENTS(crashes)];
    struct sigaction before_stop, before_cont;
    int pipe[2];
    guint watch;
    volatile sig_atomic_t stopping; /* the SIGCONT to come is ours */
    void (*suspend)(void *data);
    void (*resumed)(void *data);
    void *data;
} guard;

static void on_crash(int number)
{
    struct pollfd terminal = { .fd = STDOUT_FILENO, .events = POLLOUT };

    if (poll(&terminal, 1, 0) > 0 && (terminal.revents & POLLOUT) != 0) {
        ssize_t n = write(STDOUT_FILENO, screen_rescue, strlen(screen_rescue));

        (void)n;
    }
    if (guard.have_mode) {
        tcsetattr(STDIN_FILENO, TCSANOW, &guard.found);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(crashes); i++) {
        sigaction(crashes[i], &guard.before[i], NULL);
    }
    raise(number);
}

static void on_signal(int number)
{
    int before = errno;
    char byte = number == SIGTSTP ? 'T' : 'C';
    ssize_t n = write(guard.pipe[1], &byte, 1);

    (void)n;
    errno = before;
}

static gboolean on_pipe(int fd, GIOCondition condition, void *data)
{
    char byte;

    (void)condition;
    (void)data;
    if (read(fd, &byte, 1) == 1) {
        if (byte == 'T') {
            guard.suspend(guard.data);
        } else if (!guard.stopping) {
            guard.resumed(guard.data);
        }
    }
    return G_SOURCE_CONTINUE;
}

static void catch (int number, void (*handler)(int number), struct sigaction *ret_before)
{
    struct sigaction action = { .sa_handler = handler, .sa_flags = SA_RESTART };

    sigemptyset(&action.sa_mask);
    sigaction(number, &action, ret_before);
}

void terminal_guard_begin(const struct termios *found, void (*suspend)(void *data),
                          void (*resumed)(void *data), void *data)
{
    g_assert(!guard.armed);
    memset(&guard, 0, sizeof(guard));
    guard.suspend = suspend;
    guard.resumed = resumed;
    guard.data = data;
    guard.have_mode = found != NULL;
    if (found != NULL) {
        guard.found = *found;
    }
    if (!g_unix_open_pipe(guard.pipe, FD_CLOEXEC, NULL)) {
        return;
    }
    g_unix_set_fd_nonblocking(guard.pipe[0], TRUE, NULL);
    g_unix_set_fd_nonblocking(guard.pipe[1], TRUE, NULL);
    guard.watch = g_unix_fd_add(guard.pipe[0], G_IO_IN, on_pipe, NULL);
    catch (SIGTSTP, on_signal, &guard.before_stop);
    catch (SIGCONT, on_signal, &guard.before_cont);
    for (size_t i = 0; i < G_N_ELEMENTS(crashes); i++) {
        catch (crashes[i], on_crash, &guard.before[i]);
    }
    guard.armed = true;
}

void terminal_guard_end(void)
{
    if (!guard.armed) {
        return;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(crashes); i++) {
        sigaction(crashes[i], &guard.before[i], NULL);
    }
    sigaction(SIGTSTP, &guard.before_stop, NULL);
    sigaction(SIGCONT, &guard.before_cont, NULL);
    g_clear_handle_id(&guard.watch, g_source_remove);
    close(guard.pipe[0]);
    close(guard.pipe[1]);
    guard.armed = false;
}

void terminal_guard_stop(void)
{
    guard.stopping = 1;
    kill(getpid(), SIGSTOP);
    /* The SIGCONT that woke us wrote its byte before this line is reached. */
    if (guard.armed) {
        char bytes[16];
        ssize_t n = read(guard.pipe[0], bytes, sizeof(bytes));

        (void)n;
    }
    guard.stopping = 0;
}
