/*
 * The objects that an operator makes with object-add: TLS credentials, secrets and authorization.
 * Main thread. The types, their properties and the error texts are QEMU's (qapi/crypto.json,
 * qapi/authz.json of 8.2).
 */
#pragma once

#include <glib.h>
#include <json-c/json.h>
#include <stdbool.h>

#include "backend/transport/tls.h"

typedef struct Objects Objects;

/* QEMU's rule for the ids of objects and of jobs. */
bool object_is_identifier(const char *text);

Objects *objects_new(void);
void objects_free(Objects *objects);

/* @args: qom-type, id and the properties. @warn, unless NULL, gets sentences about what is allowed
 * but not wise. False with QEMU's text. */
typedef void (*ObjectsWarn)(void *data, const char *text);
bool objects_add(Objects *objects, json_object *args, ObjectsWarn warn, void *data, GError **error);
bool objects_delete(Objects *objects, const char *id, GError **error);

/* [{name, type: "child<TYPE>"}], as qom-list of /objects; the caller's. */
json_object *objects_list(const Objects *objects);

/* [{name, type}] of a type, as qom-list-properties; the caller's. NULL = there is no such type. */
json_object *objects_properties(const char *type);

/* A new reference. NULL with QEMU's text when @id is no TLS credentials of that side. */
TlsCredentials *objects_tls_credentials(const Objects *objects, const char *id, TlsSide side,
                                        GError **error);

/* Whether the authorization object @id allows @identity; false with the reason. */
bool objects_allow(const Objects *objects, const char *id, const char *identity, GError **error);
