/*
 * Macros for the type tables of the schema. Only for the files that hold such
 * tables.
 */
#pragma once

#include "backend/schema/schema.h"

#define ENUM(qapi_name, list)                                                                      \
    {                                                                                              \
        .kind = SCHEMA_ENUM, .name = qapi_name, .values = list                                     \
    }
#define STRUCT(qapi_name, ...)                                                                     \
    {                                                                                              \
        .kind = SCHEMA_STRUCT, .name = qapi_name, .members = (const SchemaMember[])                \
        {                                                                                          \
            __VA_ARGS__ MEMBERS_END                                                                \
        }                                                                                          \
    }
/* For members made from a table; MEMBERS_END has to be the last of them. */
#define STRUCT_OF(qapi_name, list)                                                                 \
    {                                                                                              \
        .kind = SCHEMA_STRUCT, .name = qapi_name, .members = list                                  \
    }
#define MEMBERS_END { NULL, NULL, false, false },
#define UNION(qapi_name, key, base, ...)                                                           \
    {                                                                                              \
        .kind = SCHEMA_UNION, .name = qapi_name, .discriminator = key,                             \
        .members = (const SchemaMember[]){ base MEMBERS_END }, .branches = (const SchemaMember[])  \
        {                                                                                          \
            __VA_ARGS__ MEMBERS_END                                                                \
        }                                                                                          \
    }
#define LIST(type)                                                                                 \
    {                                                                                              \
        .kind = SCHEMA_LIST, .element = &type                                                      \
    }
#define NAMES(...)                                                                                 \
    (const char *const[])                                                                          \
    {                                                                                              \
        __VA_ARGS__, NULL                                                                          \
    }

#define MEMBER(member, type)       { member, &type, false, false },
#define OPTIONAL(member, type)     { member, &type, true, false },
#define OPTIONAL_OLD(member, type) { member, &type, true, true },
