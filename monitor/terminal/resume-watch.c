/*
 * See resume-watch.h. GLib has no source for SIGCONT, so a pipe carries it
 * into the main loop. Whoever puts handlers of its own in place meanwhile (the
 * dashboard's guard) puts these back.
 */
#include "monitor/terminal/resume-watch.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <signal.h>
#include <unistd.h>

static struct {
    int pipe[2];
    guint watch; /* 0 = not begun */
    struct sigaction before_stop, before_cont;
    void (*resumed)(void *data);
    void *data;
} watch;

static void on_continue(int number)
{
    int before = errno;
    ssize_t n = write(watch.pipe[1], "", 1);

    (void)number;
    (void)n;
    errno = before;
}

static gboolean on_pipe(int fd, GIOCondition condition, void *data)
{
    char bytes[16];

    (void)condition;
    (void)data;
    if (read(fd, bytes, sizeof(bytes)) > 0) {
        watch.resumed(watch.data);
    }
    return G_SOURCE_CONTINUE;
}

void resume_watch_begin(void (*resumed)(void *data), void *data)
{
    const struct sigaction ignore = { .sa_handler = SIG_IGN };
    const struct sigaction note = { .sa_handler = on_continue, .sa_flags = SA_RESTART };

    g_assert(watch.watch == 0);
    sigaction(SIGTSTP, &ignore, &watch.before_stop);
    if (!g_unix_open_pipe(watch.pipe, FD_CLOEXEC, NULL)) {
        return;
    }
    g_unix_set_fd_nonblocking(watch.pipe[0], TRUE, NULL);
    g_unix_set_fd_nonblocking(watch.pipe[1], TRUE, NULL);
    watch.resumed = resumed;
    watch.data = data;
    watch.watch = g_unix_fd_add(watch.pipe[0], G_IO_IN, on_pipe, NULL);
    sigaction(SIGCONT, &note, &watch.before_cont);
}

void resume_watch_end(void)
{
    sigaction(SIGTSTP, &watch.before_stop, NULL);
    if (watch.watch != 0) {
        sigaction(SIGCONT, &watch.before_cont, NULL);
        g_clear_handle_id(&watch.watch, g_source_remove);
        close(watch.pipe[0]);
        close(watch.pipe[1]);
    }
}
