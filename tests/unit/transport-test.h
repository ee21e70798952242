/*
 * What the tests of transports share: a folder of their own and transports made of descriptors.
 *
 */
#pragma once

#include "tests/unit/test.h"

#include <signal.h>
#include <unistd.h>

#include "backend/transport/transport.h"

extern char *directory;

char *path_of(const char *name);
Transport *take_fd(int fd);
int make_directory(void **state);
int remove_directory(void **state);
