/*
 * See rules.h: the tests that rules.def names, and the evaluation.
 */
#include "backend/tables/rules.h"

#include <string.h>

#include "backend/base/error.h"

static bool on(const Facts *f, MigCapability id)
{
    return capability_is_on(f->capabilities, id);
}

/* ---- state ---- */

static bool is_running(const Facts *f)
{
    return f->running;
}

static bool is_listening(const Facts *f)
{
    return f->listening || (f->running && f->last_incoming);
}

static bool has_address(const Facts *f)
{
    return f->listening;
}

static bool has_guest(const Facts *f)
{
    return !f->inmigrate && !f->postmigrate;
}

static bool has_guest_that_arrived(const Facts *f)
{
    return has_guest(f) && f->last_incoming;
}

static bool has_only_copy(const Facts *f)
{
    return f->postmigrate && f->unconfirmed;
}

static bool has_lost_guest(const Facts *f)
{
    return f->postmigrate || !f->owner_here;
}

static bool has_told_sources(const Facts *f)
{
    return f->inmigrate && f->listening;
}

static bool waits_for_guest(const Facts *f)
{
    return f->inmigrate;
}

static bool is_not_paused(const Facts *f)
{
    return !f->paused;
}

static bool is_answering(const Facts *f)
{
    return f->answering;
}

/* ---- request ---- */

static bool has_no_address(const Facts *f)
{
    return f->address == NULL;
}

static bool wants_resume(const Facts *f)
{
    return f->resume;
}

static bool wants_disks(const Facts *f)
{
    return f->disks;
}

/* ---- settings ---- */

static bool wants_tls(const Facts *f)
{
    return f->parameters != NULL && f->parameters->tls_creds != NULL &&
           *f->parameters->tls_creds != '\0';
}

static bool packs(const Facts *f)
{
    return f->parameters != NULL && f->parameters->multifd_compression != 0;
}

static bool encrypts_without_socket(const Facts *f)
{
    return wants_tls(f) && !address_has(f->address, TRAIT_TWO_WAY);
}

static bool packs_or_encrypts(const Facts *f)
{
    return packs(f) || wants_tls(f);
}

static bool packs_multifd(const Facts *f)
{
    return on(f, CAPABILITY_MULTIFD) && packs(f);
}

static bool reboots(const Facts *f)
{
    return f->parameters != NULL && f->parameters->mode != 0;
}

/* With mapped-ram the threads of multifd share one file. */
static bool needs_connections(const Facts *f)
{
    return !on(f, CAPABILITY_MAPPED_RAM);
}

static const CapabilityDesc *without_effect(const Facts *f)
{
    for (size_t i = 0; i < CAPABILITY__COUNT; i++) {
        if (on(f, (MigCapability)i) && !capability_table[i].supported) {
            return &capability_table[i];
        }
    }
    return NULL;
}

static bool has_capability_without_effect(const Facts *f)
{
    return without_effect(f) != NULL;
}

/* ---- the table ---- */

enum {
    START = RULE_START,
    LISTEN = RULE_LISTEN,
    RECOVER = RULE_RECOVER,
    COMPARE = RULE_COMPARE,
    CAPABILITIES = RULE_CAPABILITIES,
    PARAMETERS = RULE_PARAMETERS,
    CAPABILITY_ANY = CAPABILITY__COUNT,
};

static const Rule rules[] = {
#define BIT(id)       CAPABILITY_BIT(CAPABILITY_##id)
#define NEWLY         .newly = true,
#define NOT_BUILT     .not_built = true,
#define IF(test)      .applies = test,
#define WITHOUT(bits) .without = bits,
#define NEEDS(bits)   .needs = bits,
#define THROUGH(bits) .traits = bits,
#define HOST(need)    .host = HOST_##need,
#define MIG_RULE(when_, subject_, conditions, text_, hint_)                                        \
    { .when = (when_),                                                                             \
      .subject = (MigCapability)CAPABILITY_##subject_,                                             \
      conditions.text = (text_),                                                                   \
      .hint = (hint_) },
#include "backend/tables/rules.def"
};

/* ---- evaluation ---- */

static bool is_broken(const Rule *rule, const Facts *f, GError **host_error)
{
    bool conflict = (f->capabilities & rule->without) != 0 || (rule->needs & ~f->capabilities) != 0;

    if (rule->subject != CAPABILITY__COUNT &&
        !capability_is_on(rule->newly ? f->added : f->capabilities, rule->subject)) {
        return false;
    }
    if (rule->applies != NULL && !rule->applies(f)) {
        return false;
    }
    if (rule->host != HOST_ANY) {
        return f->host != NULL && !f->host(f->host_data, rule->host, host_error);
    }
    if (rule->traits != 0) {
        return f->address != NULL && !address_has(f->address, rule->traits);
    }
    return conflict || (rule->without | rule->needs) == 0;
}

const Rule *rules_next_broken(RuleWhen when, const Facts *facts, const Rule *after,
                              GError **host_error)
{
    for (const Rule *rule = after != NULL ? after + 1 : rules; rule < rules + G_N_ELEMENTS(rules);
         rule++) {
        if ((rule->when & when) != 0 && is_broken(rule, facts, host_error)) {
            return rule;
        }
    }
    return NULL;
}

/* @text with the words in braces replaced. */
static char *fill(const Facts *f, const char *text)
{
    const CapabilityDesc *capability = without_effect(f);
    g_autofree char *uri = f->address != NULL ? address_to_uri(f->address) : NULL;
    const struct {
        const char *word, *meaning;
    } words[] = {
        { "{uri}", uri },
        { "{owner}", f->owner },
        { "{capability}", capability != NULL ? capability->name : NULL },
        { "{capability-help}", capability != NULL ? capability->help : NULL },
    };
    GString *filled = g_string_new(text);

    for (size_t i = 0; i < G_N_ELEMENTS(words); i++) {
        const char *found = strstr(text, words[i].word);

        if (found != NULL && words[i].meaning != NULL) {
            g_string_erase(filled, found - text, (gssize)strlen(words[i].word));
            g_string_insert(filled, found - text, words[i].meaning);
            break;
        }
    }
    return g_string_free(filled, FALSE);
}

static GError *error_of(const Rule *rule, const Facts *f)
{
    if (rule->applies == has_no_address && f->address_error != NULL) {
        return g_error_copy(f->address_error);
    }
    g_autofree char *text = fill(f, rule->text);
    GError *error = g_error_new_literal(
        MIG_ERROR, rule->not_built ? MIG_ERROR_UNSUPPORTED : MIG_ERROR_GENERIC, text);

    if (rule->hint != NULL) {
        g_autofree char *hint = fill(f, rule->hint);

        mig_error_hint(&error, "%s", hint);
    }
    return error;
}

bool rules_allow(RuleWhen when, const Facts *facts, GError **error)
{
    GError *first = NULL;
    const Rule *rule = rules_next_broken(when, facts, NULL, &first);

    if (rule == NULL) {
        return true;
    }
    if (first == NULL) {
        first = error_of(rule, facts);
    }
    if ((rule->without | rule->needs) != 0) {
        Facts quiet = *facts;

        quiet.host = NULL; /* the hints name capabilities only */
        while ((rule = rules_next_broken(when, &quiet, rule, NULL)) != NULL) {
            if ((rule->without | rule->needs) != 0) {
                mig_error_hint(&first, "also: %s", rule->text);
            }
        }
    }
    g_propagate_error(error, first);
    return false;
}
