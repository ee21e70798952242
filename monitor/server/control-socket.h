/*
 * A control socket of this program: unix:PATH (mode 0600) or tcp:HOST:PORT.
 * Hands accepted connections over. Main thread.
 */
#pragma once

#include <glib.h>

typedef struct ControlSocket ControlSocket;

/* @fd is non-blocking and the callee's. */
typedef void (*ControlAccept)(int fd, void *data);

/*
 * A socket file that nobody listens on any more is replaced; one in use, and anything that is no
 * socket, is left alone with an error. An empty TCP host means this machine only: whoever reaches
 * a monitor can run programs. Resolves names, so it may block: before the main loop runs.
 */
ControlSocket *control_socket_new(const char *address, ControlAccept accept, void *data,
                                  GError **error);
/* Removes the socket file, if it is still ours. */
void control_socket_free(ControlSocket *control);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ControlSocket, control_socket_free)

/* Address with the port that the kernel chose for port 0. */
const char *control_socket_name(const ControlSocket *control);
