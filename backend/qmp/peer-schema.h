/*
 * A monitor's reply to query-qmp-schema: its commands with their arguments, its
 * migration parameters and capabilities. Features are detected here, never by a
 * version number. Main thread.
 */
#pragma once

#include <glib.h>
#include <json-c/json.h>
#include <stdbool.h>

typedef struct PeerSchema PeerSchema;

/* @list: the reply; a reference is taken. Unknown content is ignored. */
PeerSchema *peer_schema_new(json_object *list);
void peer_schema_free(PeerSchema *schema);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PeerSchema, peer_schema_free)

/* The reply itself, borrowed. */
json_object *peer_schema_list(const PeerSchema *schema);

bool peer_schema_has_command(const PeerSchema *schema, const char *command);
bool peer_schema_has_argument(const PeerSchema *schema, const char *command, const char *argument);

/* True when migrate-set-parameters or MigrationCapability has @name. */
bool peer_schema_has_parameter(const PeerSchema *schema, const char *name);
bool peer_schema_has_capability(const PeerSchema *schema, const char *name);

/* [{"name", "type": "int|boolean|string|enum|list|object", "values"?: [...], "features"?: [...]}];
 * caller puts. Capabilities have no type. */
json_object *peer_schema_parameters(const PeerSchema *schema);
json_object *peer_schema_capabilities(const PeerSchema *schema);
