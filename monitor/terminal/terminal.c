/*
 * See terminal.h. Main thread, except for the handlers of signals.
 *
 * Ctrl-Z and Ctrl-\ are switched off, because stopping or killing the process
 * hits the guest. GLib has no source for SIGTSTP and SIGCONT, so a pipe
 * carries them to the main loop.
 *
 * The handler of a crash uses only async-signal-safe calls: it restores the
 * terminal, reinstalls the handler found before ours (a sanitizer's, or none)
 * and raises the signal again.
 */
#include "monitor/terminal/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

static const int crashes[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT };

enum { MAX_USERS = 2 }; /* the prompt and the dashboard */

typedef struct {
    const TerminalUser *calls;
    void *data;
} User;

static struct {
    User users[MAX_USERS]; /* the last has the focus */
    unsigned count;
    const char *volatile rescue; /* of the user that has the focus */

    bool have_mode;
    struct termios found; /* mode before ours */
    bool gone;
    guint watch;
    guint winch;

    int pipe[2]; /* 'T' for SIGTSTP, 'C' for SIGCONT */
    guint pipe_watch;
    struct sigaction before_stop, before_cont;
    struct sigaction before_crash[G_N_ELEMENTS(crashes)];
} terminal;

static User *focus(void)
{
    return &terminal.users[terminal.count - 1];
}

/* ---- mode ---- */

static void set_mode(void)
{
    struct termios mode = terminal.found;

    if (!terminal.have_mode) {
        return;
    }
    mode.c_lflag &= ~(tcflag_t)(ICANON | ECHO | IEXTEN);
    mode.c_iflag &= ~(tcflag_t)(ICRNL | INLCR | IXON);
    mode.c_cc[VMIN] = 1;
    mode.c_cc[VTIME] = 0;
    mode.c_cc[VSUSP] = _POSIX_VDISABLE;
    mode.c_cc[VQUIT] = _POSIX_VDISABLE;
    /* Not TCSADRAIN: it blocks while the terminal takes no output. */
    tcsetattr(STDIN_FILENO, TCSANOW, &mode);
}

static void restore_mode(void)
{
    if (terminal.have_mode) {
        tcsetattr(STDIN_FILENO, TCSANOW, &terminal.found);
    }
}

/* A background process that sets the mode is stopped by the kernel. */
static bool is_foreground(void)
{
    return tcgetpgrp(STDIN_FILENO) == getpgrp();
}

/* ---- signals ---- */

static void on_crash(int number)
{
    struct pollfd out = { .fd = STDOUT_FILENO, .events = POLLOUT };
    const char *rescue = terminal.rescue;

    if (rescue != NULL && poll(&out, 1, 0) > 0 && (out.revents & POLLOUT) != 0) {
        ssize_t n = write(STDOUT_FILENO, rescue, strlen(rescue));

        (void)n;
    }
    if (is_foreground()) {
        restore_mode();
    }
    for (size_t i = 0; i < G_N_ELEMENTS(crashes); i++) {
        sigaction(crashes[i], &terminal.before_crash[i], NULL);
    }
    raise(number);
}

static void on_signal(int number)
{
    int before = errno;
    char byte = number == SIGTSTP ? 'T' : 'C';
    ssize_t n = write(terminal.pipe[1], &byte, 1);

    (void)n;
    errno = before;
}

static void on_continued(void)
{
    /* The shell has set a mode of its own; in the background it still uses the terminal. */
    if (terminal.have_mode && is_foreground()) {
        set_mode();
        focus()->calls->redraw(focus()->data);
    }
}

static gboolean on_pipe(int fd, GIOCondition condition, void *data)
{
    char byte;

    (void)condition, (void)data;
    if (read(fd, &byte, 1) == 1) {
        if (byte == 'C') {
            on_continued();
        } else if (focus()->calls->suspend != NULL) {
            focus()->calls->suspend(focus()->data);
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

static gboolean on_winch(void *data)
{
    (void)data;
    for (unsigned i = 0; i < terminal.count; i++) {
        terminal.users[i].calls->resized(terminal.users[i].data);
    }
    return G_SOURCE_CONTINUE;
}

static void catch_signals(void)
{
    catch (SIGTSTP, SIG_IGN, &terminal.before_stop);
    sigaction(SIGCONT, NULL, &terminal.before_cont);
    if (pipe2(terminal.pipe, O_CLOEXEC | O_NONBLOCK) == 0) {
        terminal.pipe_watch = g_unix_fd_add(terminal.pipe[0], G_IO_IN, on_pipe, NULL);
        catch (SIGCONT, on_signal, NULL);
    }
    terminal.winch = g_unix_signal_add(SIGWINCH, on_winch, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(crashes); i++) {
        catch (crashes[i], on_crash, &terminal.before_crash[i]);
    }
}

static void release_signals(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(crashes); i++) {
        sigaction(crashes[i], &terminal.before_crash[i], NULL);
    }
    sigaction(SIGTSTP, &terminal.before_stop, NULL);
    sigaction(SIGCONT, &terminal.before_cont, NULL);
    g_clear_handle_id(&terminal.winch, g_source_remove);
    if (terminal.pipe_watch != 0) {
        g_clear_handle_id(&terminal.pipe_watch, g_source_remove);
        close(terminal.pipe[0]);
        close(terminal.pipe[1]);
    }
}

void terminal_stop(void)
{
    restore_mode();
    kill(getpid(), SIGSTOP);
    /* Drops the byte of the SIGCONT that ended the stop: the caller draws anyway. */
    if (terminal.pipe_watch != 0) {
        char bytes[16];
        ssize_t n = read(terminal.pipe[0], bytes, sizeof(bytes));

        (void)n;
    }
    set_mode();
}

/* ---- bytes ---- */

static gboolean on_readable(int fd, GIOCondition condition, void *data)
{
    uint8_t bytes[1024];
    ssize_t n = read(fd, bytes, sizeof(bytes));

    (void)condition, (void)data;
    if (n > 0) {
        focus()->calls->typed(bytes, (size_t)n, focus()->data);
    } else if (n == 0 || (errno != EINTR && errno != EAGAIN)) {
        terminal.watch = 0;
        terminal.gone = true;
        for (unsigned i = 0; i < terminal.count; i++) {
            if (terminal.users[i].calls->gone != NULL) {
                terminal.users[i].calls->gone(terminal.users[i].data);
            }
        }
        return G_SOURCE_REMOVE;
    }
    return G_SOURCE_CONTINUE;
}

void terminal_listen(bool on)
{
    if (!on) {
        g_clear_handle_id(&terminal.watch, g_source_remove);
    } else if (terminal.watch == 0 && !terminal.gone) {
        terminal.watch =
            g_unix_fd_add(STDIN_FILENO, G_IO_IN | G_IO_HUP | G_IO_ERR, on_readable, NULL);
    }
}

void terminal_interrupt(void)
{
    for (unsigned i = terminal.count; i-- > 0;) {
        if (terminal.users[i].calls->interrupt(terminal.users[i].data)) {
            return;
        }
    }
}

void terminal_size(int *ret_columns, int *ret_rows)
{
    struct winsize size = { 0 };

    ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
    if (ret_columns != NULL) {
        *ret_columns = size.ws_col > 0 ? size.ws_col : 80;
    }
    if (ret_rows != NULL) {
        *ret_rows = size.ws_row > 0 ? size.ws_row : 24;
    }
}

/* ---- users ---- */

static void focus_has_moved(void)
{
    const TerminalUser *user = focus()->calls;
    bool stops = user->suspend != NULL && terminal.pipe_watch != 0;

    terminal.rescue = user->rescue;
    catch (SIGTSTP, stops ? on_signal : SIG_IGN, NULL);
}

void terminal_add(const TerminalUser *user, void *data)
{
    g_assert(terminal.count < MAX_USERS);
    if (terminal.count == 0) {
        terminal.have_mode = tcgetattr(STDIN_FILENO, &terminal.found) == 0;
        set_mode();
        catch_signals();
    }
    terminal.users[terminal.count++] = (User){ user, data };
    focus_has_moved();
    terminal_listen(true);
}

void terminal_remove(void)
{
    g_assert(terminal.count > 0);
    if (--terminal.count > 0) {
        focus_has_moved();
        return;
    }
    terminal_listen(false);
    release_signals();
    restore_mode();
    terminal.rescue = NULL;
}
