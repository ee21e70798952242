/*
 * A listening control socket of this program: unix:PATH (mode 0600) or
 * tcp:HOST:PORT. Main thread.
 */
#pragma once

#include <glib.h>

typedef struct ControlSocket ControlSocket;

/* @fd is non-blocking; the callee closes it. */
typedef void (*ControlAccept)(int fd, void *data);

/*
 * Replaces a socket file that has no listener; a socket in use and any other file are an error. An
 * empty TCP host means the loopback addresses, because a monitor can run programs. Resolves names
 * and may block, so it is called before the main loop.
 */
ControlSocket *control_socket_new(const char *address, ControlAccept accept, void *data,
                                  GError **error);
/* Removes the socket file unless another program replaced it. */
void control_socket_free(ControlSocket *control);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ControlSocket, control_socket_free)

/* Address with the port that the kernel chose for port 0. */
const char *control_socket_name(const ControlSocket *control);
