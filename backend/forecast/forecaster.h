/*
 * Will a migration finish, when, and with what pause? The answer is computed from the passes so
 * far, and it may be that they do not tell yet.
 *
 * The forecast fits curves to the counts of dirtied pages ("how many different pages does the guest
 * write in t seconds?"), plays the rest of the migration with many of them, and looks at the share
 * of these plays that ends in time. Curves that fit equally well and end differently are why the
 * answer may be "not yet clear".
 *
 * Pure: no clock, no thread, no allocation but the forecaster itself. Equal calls give equal
 * answers. A forecaster belongs to one thread. forecaster_judge() takes at most about 2 ms.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* One pass over RAM, from one dirty sync to the next. Counts are pages of ForecastSettings. */
typedef struct {
    int64_t duration_us;
    uint64_t pages;       /* sent, zero pages too */
    uint64_t zero_pages;  /* of @pages, those that were sent as zero pages */
    uint64_t fresh_pages; /* of @zero_pages, those that were never touched */
    uint64_t dirtied;     /* found by the sync at its end */
    uint64_t remaining;   /* dirty after that sync */
    uint64_t bytes;       /* on the wire */
    int64_t limiter_us;   /* time in which max-bandwidth held the sending */
    unsigned throttle;    /* percent of vCPU time taken from the guest, mean of the pass */
} ForecastPass;

/* A measurement of how many different pages the guest writes: before the start, with @pass 0, or
 * within pass @pass, from its beginning on. */
typedef struct {
    int64_t duration_us;
    uint64_t pages;
    uint64_t pass;
} ForecastWindow;

/* What was sent in about half a second of precopy. */
typedef struct {
    int64_t duration_us;
    uint64_t bytes;
    int64_t limiter_us;
    uint64_t threshold; /* bytes of RAM with which the switchover would begin at its end */
    /* The settings of that time; without @has_settings they are those of the forecast. */
    int64_t limit_us;
    uint64_t max_bandwidth;
    bool has_settings;
} ForecastBlock;

/* What holds at the moment of the forecast. */
typedef struct {
    uint64_t page_size;            /* bytes */
    uint64_t ram_pages;            /* of the guest */
    int64_t limit_us;              /* downtime-limit */
    uint64_t max_bandwidth;        /* bytes/s, 0 = no limit */
    uint64_t switchover_bandwidth; /* bytes/s that the switchover is told to use, 0 = measured */
    uint64_t threshold;            /* bytes of RAM with which the switchover begins now */
    uint64_t batch;                /* bytes that are sent between two looks at the threshold */
    int64_t fixed_us;              /* parts of the pause besides RAM, as earlier pauses had them;
                                      0 = not known */
    int64_t elapsed_us;            /* of the attempt, at the end of the newest pass */
    int64_t horizon_us;            /* it has to end within this time, 0 = 20 times the first pass */
    /* auto-converge; @throttle_max 0 = off */
    unsigned throttle, throttle_initial, throttle_increment, throttle_max, throttle_trigger;
} ForecastSettings;

typedef enum {
    FORECAST_NOT_YET_CLEAR,
    FORECAST_WILL_FINISH,
    FORECAST_WILL_NOT_FINISH,
    FORECAST__COUNT,
} ForecastVerdict;

/* "will-finish" */
const char *forecast_verdict_name(ForecastVerdict verdict);

/* A figure with its uncertainty: one of ten plays is below @p10, one above @p90. */
typedef struct {
    int64_t p10, p50, p90;
} ForecastRange;

typedef struct {
    ForecastVerdict verdict;
    uint64_t pass;          /* number of passes it was made from, 0 = there is no forecast */
    double probability;     /* share of the plays that end in time */
    bool has_eta;           /* some plays end: @eta_us and @pause_us are set */
    ForecastRange eta_us;   /* until the guest runs at the destination, from the end of the pass */
    ForecastRange pause_us; /* of the switchover */
    int64_t next_pass_us;   /* time that the next pass will take */
    /* The smallest change of one setting that lets it finish, a tenth added; 0 = none does or none
     * is needed. */
    int64_t need_limit_us;
    uint64_t need_bandwidth; /* bytes/s */
    unsigned need_throttle;  /* percent */
    /* What it was made from. */
    double page_size;            /* bytes */
    int64_t limit_us;            /* downtime-limit */
    int64_t elapsed_us;          /* of the attempt */
    unsigned throttle;           /* percent of vCPU time taken from the guest */
    double floor;                /* pages that stay dirty however many passes are made */
    double bandwidth;            /* bytes/s on the wire while the guest runs */
    double switchover_bandwidth; /* bytes/s in the pause */
    double page_bytes;           /* bytes on the wire for a dirty page */
    double working_set;          /* pages that the guest writes again and again */
    double dirty_rate;           /* pages/s that the guest dirties within a pause of the limit */
    double threshold;            /* pages with which the switchover begins */
    double limiter_share;        /* of the time of the newest passes, 0..1 */
    int64_t horizon_us;          /* of the attempt: a play that ends later does not count */
    uint64_t remaining;          /* pages */
    unsigned observations, plays, changes; /* @changes: of the verdict in this attempt */
} Forecast;

typedef struct Forecaster Forecaster;

Forecaster *forecaster_new(void);
void forecaster_free(Forecaster *forecaster);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Forecaster, forecaster_free)

/* In the order of time. Old passes and blocks are forgotten. */
void forecaster_add_window(Forecaster *forecaster, const ForecastWindow *window);
void forecaster_add_block(Forecaster *forecaster, const ForecastBlock *block);
void forecaster_add_pass(Forecaster *forecaster, const ForecastPass *pass);

/* Number of passes added so far. */
uint64_t forecaster_passes(const Forecaster *forecaster);

/* The forecast at the end of the newest pass. To be called after each pass: a verdict stays until
 * the opposite is as clear. The result is valid until the next call. */
const Forecast *forecaster_judge(Forecaster *forecaster, const ForecastSettings *settings);

/* The newest result, without computing one. */
const Forecast *forecaster_last(const Forecaster *forecaster);
