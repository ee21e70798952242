/*
 * What page faults of a postcopy cost, for people and scripts.
 */
#pragma once

#include <json-c/json.h>

#include "backend/guest/memory/missing-pages.h"

/* The member "page-faults" of x-query-migrate-history; caller puts. */
json_object *page_faults_to_json(const PageFaultStats *stats);
