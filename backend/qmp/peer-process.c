/*
 * See peer-process.h. Reads only /proc; any thread.
 */
#include "backend/qmp/peer-process.h"

#include <glib.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define CAP_SYS_PTRACE_BIT 19

/* The value after "NAME:" in /proc/PID/status; NULL when there is none. Caller frees. */
static char *status_value(pid_t pid, const char *name)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/status", (int)pid);
    g_autofree char *text = NULL;
    g_autofree char *lead = g_strdup_printf("\n%s:", name);

    if (!g_file_get_contents(path, &text, NULL, NULL)) {
        return NULL;
    }
    const char *at = strstr(text, lead);
    if (at == NULL) {
        return NULL;
    }
    at += strlen(lead);
    return g_strstrip(g_strndup(at, strcspn(at, "\n")));
}

/* A killed process closes its sockets shortly before it disappears. It is exiting then (PF_EXITING
 * among the flags of /proc/PID/stat, proc(5)). */
static bool is_exiting(pid_t pid)
{
    static const unsigned flag = 0x4;
    g_autofree char *path = g_strdup_printf("/proc/%d/stat", (int)pid);
    g_autofree char *text = NULL;
    unsigned flags = 0;

    if (!g_file_get_contents(path, &text, NULL, NULL)) {
        return true;
    }
    const char *behind_name = strrchr(text, ')');
    return behind_name != NULL &&
           sscanf(behind_name, ") %*c %*d %*d %*d %*d %*d %u", &flags) == 1 && (flags & flag) != 0;
}

char *peer_process_text(pid_t pid)
{
    if (pid <= 0) {
        return g_strdup("");
    }
    g_autofree char *state = status_value(pid, "State");
    bool gone = state == NULL || *state == 'Z' || *state == 'X' || is_exiting(pid);
    const char *word = gone                             ? "has ended"
                       : *state == 'T' || *state == 't' ? "is stopped (SIGSTOP or a debugger)"
                                                        : "is alive";

    return g_strdup_printf("its process %d %s", (int)pid, word);
}

static bool file_has_one(const char *path)
{
    g_autofree char *text = NULL;

    return g_file_get_contents(path, &text, NULL, NULL) && *text == '1';
}

/* True when its user may open /dev/userfaultfd, which needs no privilege. */
static bool may_open_device(uid_t uid)
{
    struct stat device;

    return stat("/dev/userfaultfd", &device) == 0 &&
           ((device.st_mode & S_IWOTH) != 0 || device.st_uid == uid);
}

bool peer_process_may_userfault(pid_t pid, bool knows_device, char **ret_why)
{
    g_autofree char *capabilities = pid > 0 ? status_value(pid, "CapEff") : NULL;
    g_autofree char *uid = pid > 0 ? status_value(pid, "Uid") : NULL;

    *ret_why = NULL;
    if (capabilities == NULL || uid == NULL) {
        return false;
    }
    uint64_t set = g_ascii_strtoull(capabilities, NULL, 16);
    if ((set >> CAP_SYS_PTRACE_BIT & 1) != 0 ||
        file_has_one("/proc/sys/vm/unprivileged_userfaultfd") ||
        (knows_device && may_open_device((uid_t)g_ascii_strtoull(uid, NULL, 10)))) {
        return true;
    }
    *ret_why = g_strdup_printf(
        "process %d lacks CAP_SYS_PTRACE and vm.unprivileged_userfaultfd is 0", (int)pid);
    return false;
}
