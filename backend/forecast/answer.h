/*
 * A forecast as an answer: sentences for people, and the data behind them. Pure.
 */
#pragma once

#include <json-c/json.h>

#include "backend/forecast/forecaster.h"

/* One sentence for at most 80 columns that begins with "will finish", "will not finish" or "not yet
 * clear"; "" when there is no forecast. Caller frees. */
char *forecast_text(const Forecast *forecast);

/* What would make it finish, as commands; "" unless it will not finish. Caller frees. */
char *forecast_advice(const Forecast *forecast);

/* The member "forecast" of x-query-migrate-history; caller puts. */
json_object *forecast_to_json(const Forecast *forecast);

/* Adds "verdict" and "advice" to the reply @history, empty unless @running, and "forecast" when
 * there is one. @forecast may be NULL. */
void forecast_add_to_history(const Forecast *forecast, bool running, json_object *history);
