/*
 * A backend that answers every command with some value that the schema allows,
 * or with an error, or not at all. The parts of the engine that only look at
 * text and numbers are the real ones: parameters, capabilities, addresses.
 * What would act on the machine is not there, as a broken line may say
 * "migrate exec:" and anything after it.
 */
#pragma once

#include "backend/backend.h"
#include "tests/fuzz/random.h"

/* @random stays the caller's and must live as long. */
Backend *any_backend_new(Random *random);

/* How many commands it has been given. */
uint64_t any_backend_count(const Backend *backend);

/* A value of @type; arguments of a command as an object. Caller puts. */
json_object *any_value(Random *random, const SchemaType *type);
json_object *any_members(Random *random, const SchemaMember *members);
