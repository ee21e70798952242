/*
 * Fault points: one action for each point, executed once. The table is filled
 * before threads start; taking an action is one atomic exchange, so a point
 * costs nothing when faults are off.
 */
#include "backend/base/fault.h"

#include <errno.h>
#include <glib.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "backend/base/error.h"

/* How often a held thread checks whether its connection has ended. */
#define HOLD_CHECK_NS (20 * 1000000)

/* In the order in which a migration passes them, source first. */
const char *const fault_point_names[] = {
    "src-connected",        /* connected, nothing sent */
    "src-setup",            /* header and configuration sent */
    "src-ram-setup",        /* block list sent */
    "src-channel-init",     /* a multifd channel has sent its init packet */
    "src-channel-packet",   /* a multifd channel has sent pages */
    "src-channel-sync",     /* a multifd channel has sent its part of a pass, before SYNC */
    "src-pass-1",           /* in the middle of the first pass */
    "src-pass-end",         /* a pass is over, before the next dirty sync */
    "src-stopped",          /* vCPUs stopped for the switchover */
    "src-pre-switchover",   /* the guest is paused until migrate-continue */
    "src-ram-end",          /* the last page is sent */
    "src-devices",          /* device state sent */
    "src-ping",             /* hand-over PING sent, PONG not yet awaited */
    "src-before-eof",       /* PONG seen */
    "src-moment-saved",     /* snapshot: devices are saved, RAM is not protected yet */
    "src-moment",           /* snapshot: the guest runs again, no page was sent */
    "src-finished",         /* snapshot: all is written, closed and safe */
    "src-after-eof",        /* EOF given to the transport */
    "src-shut",             /* SHUT read */
    "src-postcopy-discard", /* the ranges to discard are sent, PONG not yet awaited */
    "src-postcopy-package", /* before the package with the guest is offered to the transport */
    "src-postcopy-commit",  /* cancelling is no longer possible, nothing of it was offered */
    "src-postcopy-run",     /* the package was sent: the guest has left */
    "src-postcopy-request", /* requested pages were sent on the main channel */
    "src-postcopy-push",    /* in the middle of the background pages */
    "src-urgent-open",      /* the channel of requested pages is connected */
    "src-urgent-page",      /* a requested page was sent on it */
    "src-urgent-end",       /* all pages were pushed, its end is not yet sent */
    "src-postcopy-eof",     /* all pages are sent, SHUT not yet awaited */
    "src-recover",          /* connected again */
    "src-recover-bitmap",   /* asked for the received pages */
    "src-recover-resume",   /* resume sent, not yet answered */
    "dst-connected",        /* connection taken, nothing read */
    "dst-switchover-ack",   /* asked for readiness for a switchover, not yet answered */
    "dst-setup",            /* header and configuration read */
    "dst-ram-setup",        /* block list read */
    "dst-page",             /* in the middle of RAM */
    "dst-channel-init",     /* the init packet of a multifd channel read */
    "dst-channel-packet",   /* pages of a multifd channel are in place */
    "dst-channel-sync",     /* SYNC of a multifd channel read */
    "dst-ram-end",          /* the end of RAM read */
    "dst-devices",          /* device state loaded */
    "dst-postcopy-package", /* the whole package is received, none of it is processed */
    "dst-postcopy-listen",  /* before faults are caught */
    "dst-postcopy-run",     /* before the guest is started */
    "dst-postcopy-runs",    /* guest started */
    "dst-postcopy-request", /* a page is missing, not yet requested */
    "dst-urgent-open",      /* the channel of requested pages has come, nothing read */
    "dst-urgent-page",      /* a page of it is in place */
    "dst-urgent-end",       /* its end was read */
    "dst-postcopy-eof",     /* EOF read */
    "dst-recover",          /* connected again, nothing read */
    "dst-recover-bitmap",   /* asked for the received pages, not yet answered */
    "dst-recover-resume",   /* resume received, not yet answered */
    "dst-pong",             /* hand-over PING read, PONG not yet sent */
    "dst-ponged",           /* PONG sent */
    "dst-eof",              /* EOF read, guest not yet started */
    "dst-started",          /* guest started, SHUT not yet sent */
    "dst-shut",             /* SHUT sent */
    /* Creation of a thread; only the action fail has an effect here. */
    "thread-src-main",
    "thread-src-rp",
    "thread-src-watch",
    "thread-src-send",
    "thread-src-pack",
    "thread-src-pages",
    "thread-dst-main",
    "thread-dst-read",
    "thread-dst-recv",
    "thread-dst-fault",
    "thread-dst-urgent",
    "thread-crew",
    "thread-resolve",
    "thread-exec-reaper",
    "thread-dirty-handler",
    "thread-dirty-rate",
    "thread-verify",
    NULL,
};

#define N_POINTS (G_N_ELEMENTS(fault_point_names) - 1)

/* NULL terminated after FAULT_NONE. */
static const char *const action_names[] = {
    [FAULT_CUT] = "cut",           [FAULT_KILL] = "kill",   [FAULT_CANCEL] = "cancel",
    [FAULT_HOLD] = "hold",         [FAULT_FAIL] = "fail",   [FAULT_GARBAGE] = "garbage",
    [FAULT_TRUNCATE] = "truncate", [FAULT_RESET] = "reset", [FAULT_SLOW] = "slow",
    [FAULT_SLOW + 1] = NULL,
};

static _Atomic bool enabled;
static _Atomic int actions[N_POINTS];
static _Atomic bool told_slow;

/* @releases counts x-fault-release, so that a release wakes exactly the threads that wait. (pthread
 * locks, because the thread sanitizer does not understand GMutex.) */
static pthread_mutex_t hold_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t hold_wake = PTHREAD_COND_INITIALIZER;
static unsigned releases;

static int find_point(const char *name)
{
    for (size_t i = 0; i < N_POINTS; i++) {
        if (strcmp(fault_point_names[i], name) == 0) {
            return (int)i;
        }
    }
    return -1;
}

static FaultAction find_action(const char *name)
{
    for (size_t i = FAULT_NONE + 1; action_names[i] != NULL; i++) {
        if (strcmp(action_names[i], name) == 0) {
            return (FaultAction)i;
        }
    }
    return FAULT_NONE;
}

/* Configures one POINT=ACTION; returns an error text or NULL. */
static char *configure_one(const char *item)
{
    g_auto(GStrv) parts = g_strsplit(item, "=", 2);
    int point = parts[0] == NULL ? -1 : find_point(parts[0]);
    FaultAction action = parts[0] == NULL || parts[1] == NULL ? FAULT_NONE : find_action(parts[1]);

    if (point < 0) {
        g_autofree char *all = g_strjoinv(", ", (char **)fault_point_names);
        return g_strdup_printf("'%s' names no fault point; there are: %s", item, all);
    }
    if (action == FAULT_NONE) {
        g_autofree char *all = g_strjoinv(", ", (char **)&action_names[FAULT_NONE + 1]);
        return g_strdup_printf("'%s' has no action; write %s= and one of %s", item, parts[0], all);
    }
    atomic_store(&actions[point], (int)action);
    return NULL;
}

char *fault_configure(const char *spec)
{
    for (size_t i = 0; i < N_POINTS; i++) {
        atomic_store(&actions[i], FAULT_NONE);
    }
    atomic_store(&enabled, spec != NULL);
    if (spec == NULL || *spec == '\0') {
        return NULL;
    }

    g_auto(GStrv) items = g_strsplit(spec, ",", -1);
    for (size_t i = 0; items[i] != NULL; i++) {
        char *complaint = configure_one(items[i]);

        if (complaint != NULL) {
            return complaint;
        }
    }
    return NULL;
}

static void tell(FaultAction action, const char *point)
{
    fprintf(stderr, "fault: %s at %s\n", action_names[action], point);
}

FaultAction fault_fire(const char *point)
{
    if (!atomic_load(&enabled)) {
        return FAULT_NONE;
    }

    int index = find_point(point);
    g_assert(index >= 0);
    if (atomic_load(&actions[index]) == FAULT_SLOW) {
        if (!atomic_exchange(&told_slow, true)) {
            tell(FAULT_SLOW, point);
        }
        g_usleep(FAULT_SLOW_US);
        return FAULT_NONE;
    }
    FaultAction action = (FaultAction)atomic_exchange(&actions[index], FAULT_NONE);
    if (action != FAULT_NONE && action != FAULT_HOLD) {
        tell(action, point);
    }
    if (action == FAULT_KILL) {
        kill(getpid(), SIGKILL);
        for (;;) {
            pause(); /* the signal may reach another thread first */
        }
    }
    return action;
}

bool fault_enabled(void)
{
    return atomic_load(&enabled);
}

GThread *fault_thread_new(const char *point, const char *name, GThreadFunc work, void *data,
                          GError **error)
{
    if (fault_fire(point) == FAULT_FAIL) {
        g_set_error(error, G_THREAD_ERROR, G_THREAD_ERROR_AGAIN, "Error creating thread: %s",
                    g_strerror(EAGAIN));
        return NULL;
    }
    return g_thread_try_new(name, work, data, error);
}

/* Waits once for a release, at most HOLD_CHECK_NS. */
static void wait_a_little(void)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += HOLD_CHECK_NS;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    pthread_cond_clockwait(&hold_wake, &hold_lock, CLOCK_MONOTONIC, &until);
}

void fault_hold(const char *point, bool (*gone)(void *data), void *data)
{
    pthread_mutex_lock(&hold_lock);
    unsigned before = releases;

    fprintf(stderr, "fault: held at %s\n", point);
    while (releases == before && !gone(data)) {
        wait_a_little();
    }
    pthread_mutex_unlock(&hold_lock);
}

void fault_release(void)
{
    pthread_mutex_lock(&hold_lock);
    releases++;
    pthread_cond_broadcast(&hold_wake);
    pthread_mutex_unlock(&hold_lock);
}

bool fault_act(const char *point, bool (*act)(void *data, FaultAction action),
               bool (*is_gone)(void *data), void *data, GError **error)
{
    FaultAction action = fault_fire(point);

    if (action == FAULT_HOLD) {
        fault_hold(point, is_gone, data);
    } else if (action == FAULT_FAIL || (action != FAULT_NONE && !act(data, action))) {
        return mig_fail(error, MIG_ERROR_IO, "fault injected at %s", point);
    }
    return true;
}
