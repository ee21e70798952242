/*
 * Looks names up. getaddrinfo() can take minutes and cannot be interrupted, so
 * it runs in a detached thread that shares a reference-counted struct with the
 * caller: the last unref frees it.
 */
#include "backend/transport/transport-private.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "backend/base/error.h"
#include "backend/base/fault.h"

typedef struct {
    char *host; /* NULL = all addresses of this host */
    char *port;
    struct addrinfo hints;
} Question;

struct ResolveJob {
    atomic_int refs;
    Question question;
    int done_fd;

    /* Written by the thread before @done_fd is signalled, read after. */
    pthread_mutex_t lock;
    struct addrinfo *found;
    GError *error;
};

/* AF_UNSPEC when both families are allowed. */
static int family_of(const Address *address)
{
    if ((address->ipv6 == FLAG_ON && address->ipv4 != FLAG_ON) || address->ipv4 == FLAG_OFF) {
        return AF_INET6;
    }
    if ((address->ipv4 == FLAG_ON && address->ipv6 != FLAG_ON) || address->ipv6 == FLAG_OFF) {
        return AF_INET;
    }
    return AF_UNSPEC;
}

static void fill_question(Question *question, const Address *address, bool passive)
{
    bool any = passive && *address->host == '\0';

    question->host = any ? NULL : g_strdup(address->host);
    question->port = g_strdup(address->port);
    question->hints.ai_family = family_of(address);
    question->hints.ai_socktype = SOCK_STREAM;
    question->hints.ai_flags = (passive ? AI_PASSIVE : 0) |
                               (address->numeric == FLAG_ON ? AI_NUMERICHOST | AI_NUMERICSERV : 0);
}

static void clear_question(Question *question)
{
    g_free(question->host);
    g_free(question->port);
}

/* Calls the resolver; may take minutes. @error has QEMU's text. */
static struct addrinfo *ask(const Question *question, int *ret_code, GError **error)
{
    struct addrinfo *found = NULL;
    int code = getaddrinfo(question->host, question->port, &question->hints, &found);

    *ret_code = code;
    if (code != 0) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_IO, "address resolution failed for %s:%s: %s",
                    question->host == NULL ? "" : question->host, question->port,
                    mig_error_of_lookup(code));
        return NULL;
    }
    return found;
}

static gpointer resolve_thread(gpointer data)
{
    ResolveJob *job = data;
    GError *error = NULL;
    int code;
    struct addrinfo *found = ask(&job->question, &code, &error);

    pthread_mutex_lock(&job->lock);
    job->found = found;
    job->error = error;
    pthread_mutex_unlock(&job->lock);
    wake_fd_signal(job->done_fd);
    resolve_unref(job);
    return NULL;
}

ResolveJob *resolve_start(const Address *address, bool passive, GError **error)
{
    g_auto(MigFd) done = wake_fd_new(error);

    if (done < 0) {
        return NULL;
    }
    g_autoptr(ResolveJob) job = g_new0(ResolveJob, 1);
    atomic_init(&job->refs, 1);
    pthread_mutex_init(&job->lock, NULL);
    job->done_fd = mig_fd_steal(&done);
    fill_question(&job->question, address, passive);

    atomic_fetch_add(&job->refs, 1);
    GThread *thread = fault_thread_new("thread-resolve", "resolve", resolve_thread, job, error);
    if (thread == NULL) {
        resolve_unref(job); /* the thread's reference */
        return NULL;
    }
    g_thread_unref(thread);
    return g_steal_pointer(&job);
}

void resolve_unref(ResolveJob *job)
{
    if (job == NULL || atomic_fetch_sub(&job->refs, 1) > 1) {
        return;
    }
    if (job->found != NULL) {
        freeaddrinfo(job->found);
    }
    g_clear_error(&job->error);
    close(job->done_fd);
    clear_question(&job->question);
    pthread_mutex_destroy(&job->lock);
    g_free(job);
}

int resolve_fd(const ResolveJob *job)
{
    return job->done_fd;
}

struct addrinfo *resolve_take(ResolveJob *job, GError **error)
{
    pthread_mutex_lock(&job->lock);
    struct addrinfo *found = g_steal_pointer(&job->found);
    GError *reason = g_steal_pointer(&job->error);
    pthread_mutex_unlock(&job->lock);

    if (reason != NULL) {
        g_propagate_error(error, reason);
    }
    return found;
}

struct addrinfo *resolve_numeric(const Address *address, bool passive, bool *ret_numeric,
                                 GError **error)
{
    Question question = { 0 };
    int code;

    fill_question(&question, address, passive);
    question.hints.ai_flags |= AI_NUMERICHOST;
    struct addrinfo *found = ask(&question, &code, error);
    *ret_numeric = code != EAI_NONAME || address->numeric == FLAG_ON || question.host == NULL;
    if (!*ret_numeric) {
        g_clear_error(error);
    }
    clear_question(&question);
    return found;
}
