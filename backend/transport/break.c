/*
 * Breaks a connection on purpose, for fault points (backend/base/fault.h), as a bad link, a
 * middlebox or a wrong program on the other side would.
 */
#include "backend/transport/transport-private.h"

#include <string.h>
#include <sys/socket.h>

#include "backend/transport/transport-break.h"

/* These bytes occur in no section type, flag, command, message or magic of the format. */
#define GARBAGE_BYTE  0xa5
#define GARBAGE_BYTES 64

static void write_garbage(Transport *t)
{
    uint8_t bytes[GARBAGE_BYTES];
    struct iovec iov = { bytes, sizeof bytes };

    memset(bytes, GARBAGE_BYTE, sizeof bytes);
    transport_write_all(t, &iov, 1, NULL, NULL); /* a lost connection needs no garbage */
}

/* tcp sends a reset when a connected socket is connected to AF_UNSPEC. */
static bool reset(Transport *t)
{
    struct sockaddr nobody = { .sa_family = AF_UNSPEC };

    return connect(t->fd, &nobody, sizeof nobody) == 0;
}

bool transport_break(Transport *t, FaultAction action)
{
    switch (action) {
    case FAULT_CANCEL:
        return false;
    case FAULT_GARBAGE:
        write_garbage(t);
        break;
    case FAULT_TRUNCATE:
        if (shutdown(t->fd, SHUT_WR) != 0) {
            transport_shutdown(t);
        }
        break;
    case FAULT_RESET:
        if (!reset(t)) {
            transport_shutdown(t);
        }
        break;
    default:
        transport_shutdown(t);
        break;
    }
    return true;
}

static bool break_it(void *data, FaultAction action)
{
    return transport_break(data, action);
}

/* A held channel does not read, so this must check whether its source is gone. */
static bool is_over(void *data)
{
    return transport_is_shut_down(data) || transport_peer_has_left(data);
}

bool transport_fault(Transport *t, const char *point, GError **error)
{
    return fault_act(point, break_it, is_over, t, error);
}
