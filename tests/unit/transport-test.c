/* See transport-test.h. */
#include "tests/unit/transport-test.h"

char *directory;

char *path_of(const char *name)
{
    return g_build_filename(directory, name, NULL);
}

Transport *take_fd(int fd)
{
    g_autoptr(GError) error = NULL;
    Transport *t = transport_new_from_fd(fd, "fd:test", &error);

    if (t == NULL) {
        fail_msg("%s", error->message);
    }
    return t;
}

int make_directory(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_IGN); /* as the program does */
    directory = g_dir_make_tmp("migmon-transport-XXXXXX", NULL);
    return directory == NULL ? -1 : 0;
}

int remove_directory(void **state)
{
    (void)state;
    int failed = rmdir(directory); /* a test that leaves a file behind fails here */
    g_free(directory);
    return failed;
}
