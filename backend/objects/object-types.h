/*
 * What the files of this room share: one row for each type of object.
 */
#pragma once

#include "backend/base/json.h"
#include "backend/objects/objects.h"

typedef struct {
    const char *name;
    const char *type;          /* QEMU's name of the type: "string", "bool", an enumeration */
    const char *const *values; /* of an enumeration, ends with NULL; else NULL */
    bool required;
} ObjectProperty;

/* What an object is made of. */
typedef struct {
    json_object *properties; /* checked: known names, right types, nothing required is missing */
    /* The text of another object of type secret; NULL with the error. The caller's. */
    char *(*secret)(const void *data, const char *id, GError **error);
    const void *data;
    ObjectsWarn warn; /* NULL = none */
    void *warn_data;
} ObjectParts;

typedef struct {
    const char *name;
    const ObjectProperty *properties; /* ends with a row without a name */
    void *(*make)(const ObjectParts *parts, GError **error);
    void (*free)(void *object);
    bool (*in_use)(const void *object); /* NULL = never */
    /* Of types that authorize: 1 = @identity may connect, 0 = it may not, -1 with the error when
     * that cannot be found out. NULL = the type does not authorize. */
    int (*allows)(const void *object, const char *identity, GError **error);
} ObjectType;

extern const ObjectType secret_type;                                /* the object is a char * */
extern const ObjectType tls_x509_type, tls_psk_type, tls_anon_type; /* a TlsCredentials * */
extern const ObjectType authz_simple_type, authz_list_type, authz_list_file_type;

/* The checks of "sanity-check": dates, use and chain of this side's own certificate. @cert NULL = a
 * client without one. */
bool tls_check_certificates(TlsSide side, const char *ca, const char *cert, GError **error);
