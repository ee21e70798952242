/*
 * See forecaster.h. Inside, pages and seconds are doubles.
 *
 * 1. Observations: the pages d that were dirtied in t seconds of guest time, one of each pass and
 *    window. Newer ones weigh more.
 * 2. Curves: the guest writes one or two sets of pages. A set of n pages that is written at random
 *    has n (1 - exp(-t/tau)) of them dirty after t seconds; one that is written in turn has
 *    n min(t/tau, 1). All pairs of sets from a grid of tau are fitted; each curve gets a weight by
 *    how well it fits. Curves that fit alike and differ elsewhere are the uncertainty.
 * 3. Plays: for each of PLAYS curves drawn by weight the rest of the migration is computed pass by
 *    pass, with bandwidth, threshold and the guest's pace drawn from what was seen.
 * 4. The verdict is the share of plays that end in time.
 */
#include "backend/forecast/forecaster.h"

#include <math.h>
#include <string.h>

#define MOST (UINT64_C(1) << 50) /* of any count, and of microseconds */

#define MAX_PASSES  48 /* older passes weigh nothing */
#define MAX_WINDOWS 24
#define MAX_BLOCKS  24 /* about 12 s */

#define MIN_PASS_US   4000  /* a shorter pass has no rate */
#define PACE_PASS_US  50000 /* a shorter pass says nothing about the guest's pace */
#define PACES         8
#define HALF_LIFE     4.0 /* passes after which an observation weighs half */
#define WINDOW_WEIGHT 0.7
#define INSIDE_WEIGHT 0.5
#define NOISE         0.12 /* relative error of a count: the guest's pace on a busy host */

#define TAUS       19
#define TAU_MIN    0.02
#define TAU_MAX    300.0
#define TURN_MIN   0.3  /* sets written in turn have a longer tau */
#define MIN_SET    16.0 /* pages */
#define MAX_CURVES (2 * TAUS * (2 * TAUS + 1) / 2)

#define PLAYS      48
#define MAX_STALLS 40    /* passes without a new low */
#define MAX_STEPS  160   /* bounds the time of a play */
#define PASS_COST  0.002 /* seconds of a pass besides sending */

#define CLEARLY_YES  0.84
#define CLEARLY_NO   0.15
#define DOUBT_PASSES 2
#define DOUBT_US     INT64_C(1000000)
#define BEST_MARGIN  1.1 /* "no" must hold with a threshold that much above the best seen */

struct Forecaster {
    ForecastPass passes[MAX_PASSES]; /* ring; the newest is passes[(n_passes - 1) % MAX_PASSES] */
    ForecastWindow windows[MAX_WINDOWS];
    ForecastBlock blocks[MAX_BLOCKS];
    uint64_t n_passes, n_windows, n_blocks;
    int64_t first_pass_us;
    double cold_bytes; /* wire bytes of a page of the first pass, fresh ones too */
    bool was_low;      /* the share of the pass before was below the limit for "no" */
    unsigned doubts;   /* passes in a row that spoke against the verdict */
    int64_t doubt_us;  /* their time */
    Forecast last;
};

/* A set of pages that the guest writes. */
typedef struct {
    double tau;
    bool in_turn;
} Shape;

typedef struct {
    double t, d, weight; /* seconds of guest time, pages, 1/variance times age weight */
} Observation;

typedef struct {
    const Shape *shape[2];
    double n[2]; /* pages; n[1] is 0 for a single set */
    double weight;
} Curve;

/* What a play draws from. */
typedef struct {
    double ram, limit, horizon, elapsed;
    double page_bytes, page_size, fixed, batch;     /* @batch: pages */
    double rate[MAX_BLOCKS], threshold[MAX_BLOCKS]; /* bytes/s; pages */
    unsigned n_blocks;
    double best_rate, best_threshold, switchover;
    double limiter_share; /* of the time of the blocks */
    double cold_bytes;    /* wire bytes of a page that was left from the first pass */
    double threshold_now; /* pages */
    double last_t;        /* seconds of guest time of the newest pass */
    double left;          /* pages of @remaining that were left before its sync */
    double remaining;
    const ForecastSettings *settings;
} Scene;

typedef struct {
    bool ends;
    double eta, pause, next;
} Play;

static double shape_share(const Shape *shape, double t)
{
    return shape->in_turn ? fmin(t / shape->tau, 1.0) : -expm1(-t / shape->tau);
}

static double curve_at(const Curve *curve, double t)
{
    double pages = curve->n[0] * shape_share(curve->shape[0], t);

    return curve->n[1] > 0 ? pages + curve->n[1] * shape_share(curve->shape[1], t) : pages;
}

/* ---- input ---- */

const char *forecast_verdict_name(ForecastVerdict verdict)
{
    static const char *const names[FORECAST__COUNT] = {
        [FORECAST_NOT_YET_CLEAR] = "not-yet-clear",
        [FORECAST_WILL_FINISH] = "will-finish",
        [FORECAST_WILL_NOT_FINISH] = "will-not-finish",
    };
    return names[verdict];
}

Forecaster *forecaster_new(void)
{
    return g_new0(Forecaster, 1);
}

void forecaster_free(Forecaster *forecaster)
{
    g_free(forecaster);
}

/* The figures of an attached QEMU may be anything; with these bounds all sums stay finite. */
static uint64_t sane(uint64_t count)
{
    return MIN(count, MOST);
}

static int64_t sane_us(int64_t us)
{
    return CLAMP(us, 0, (int64_t)MOST);
}

/* Microseconds, or another whole number. */
static int64_t whole(double value)
{
    return value > 0 ? (int64_t)fmin(value, (double)MOST) : 0; /* NaN too */
}

void forecaster_add_window(Forecaster *f, const ForecastWindow *window)
{
    f->windows[f->n_windows++ % MAX_WINDOWS] =
        (ForecastWindow){ sane_us(window->duration_us), sane(window->pages), window->pass };
}

void forecaster_add_block(Forecaster *f, const ForecastBlock *block)
{
    f->blocks[f->n_blocks++ % MAX_BLOCKS] =
        (ForecastBlock){ sane_us(block->duration_us), sane(block->bytes),
                         sane_us(block->limiter_us),  sane(block->threshold),
                         sane_us(block->limit_us),    sane(block->max_bandwidth),
                         block->has_settings };
}

void forecaster_add_pass(Forecaster *f, const ForecastPass *given)
{
    ForecastPass *pass = &f->passes[f->n_passes % MAX_PASSES];

    *pass = (ForecastPass){
        .duration_us = sane_us(given->duration_us),
        .pages = sane(given->pages),
        .zero_pages = MIN(sane(given->zero_pages), sane(given->pages)),
        .fresh_pages = MIN(sane(given->fresh_pages), sane(given->pages)),
        .dirtied = sane(given->dirtied),
        .remaining = sane(given->remaining),
        .bytes = sane(given->bytes),
        .limiter_us = CLAMP(given->limiter_us, 0, sane_us(given->duration_us)),
        .throttle = MIN(given->throttle, 99u),
    };
    if (f->n_passes == 0) {
        f->first_pass_us = pass->duration_us;
        f->cold_bytes = pass->pages > 0 ? (double)pass->bytes / (double)pass->pages : 0;
    }
    f->n_passes++;
}

uint64_t forecaster_passes(const Forecaster *f)
{
    return f->n_passes;
}

const Forecast *forecaster_last(const Forecaster *f)
{
    return &f->last;
}

/* The pass that is @age passes old; 0 is the newest. */
static const ForecastPass *pass_of_age(const Forecaster *f, uint64_t age)
{
    return &f->passes[(f->n_passes - 1 - age) % MAX_PASSES];
}

static uint64_t passes_kept(const Forecaster *f)
{
    return MIN(f->n_passes, (uint64_t)MAX_PASSES);
}

static double guest_time(const ForecastPass *pass)
{
    return (double)pass->duration_us / 1e6 * (1.0 - pass->throttle / 100.0);
}

/* ---- observations ---- */

static void observe(Observation *o, double t, double d, double age_weight)
{
    double sd2 = (NOISE * d) * (NOISE * d) + d + 64;

    *o = (Observation){ t, d, age_weight / sd2 };
}

static unsigned collect(const Forecaster *f, Observation *o)
{
    unsigned n = 0;

    for (uint64_t age = 0; age < passes_kept(f); age++) {
        const ForecastPass *pass = pass_of_age(f, age);

        if (pass->duration_us >= MIN_PASS_US) {
            observe(&o[n++], guest_time(pass), (double)pass->dirtied,
                    pow(0.5, (double)age / HALF_LIFE));
        }
    }
    for (uint64_t i = 0; i < MIN(f->n_windows, (uint64_t)MAX_WINDOWS); i++) {
        const ForecastWindow *window = &f->windows[i];
        double age = (double)(f->n_passes - MIN(window->pass, f->n_passes));

        observe(&o[n++], (double)window->duration_us / 1e6, (double)window->pages,
                (window->pass == 0 ? WINDOW_WEIGHT : INSIDE_WEIGHT) * pow(0.5, age / HALF_LIFE));
    }
    return n;
}

/* ---- curves ---- */

static unsigned make_shapes(Shape *shapes)
{
    unsigned n = 0;

    for (int turn = 0; turn < 2; turn++) {
        for (int i = 0; i < TAUS; i++) {
            double tau = TAU_MIN * pow(TAU_MAX / TAU_MIN, (double)i / (TAUS - 1));

            if (!turn || tau >= TURN_MIN) {
                shapes[n++] = (Shape){ tau, turn };
            }
        }
    }
    return n;
}

/* Fits all single sets and pairs. @ram: no curve has more pages. */
static unsigned fit_curves(const Observation *o, unsigned n_observations, double ram,
                           const Shape *shapes, unsigned n_shapes, Curve *curves)
{
    static _Thread_local double share[2 * TAUS][MAX_PASSES + MAX_WINDOWS];
    double gram[2 * TAUS][2 * TAUS], right[2 * TAUS], square = 0, best = INFINITY, weights = 0;
    double misfit[MAX_CURVES];
    unsigned n = 0;

    for (unsigned k = 0; k < n_observations; k++) {
        square += o[k].weight * o[k].d * o[k].d;
        weights += 1;
        for (unsigned i = 0; i < n_shapes; i++) {
            share[i][k] = shape_share(&shapes[i], o[k].t);
        }
    }
    for (unsigned i = 0; i < n_shapes; i++) {
        right[i] = 0;
        for (unsigned k = 0; k < n_observations; k++) {
            right[i] += o[k].weight * o[k].d * share[i][k];
        }
        for (unsigned j = 0; j <= i; j++) {
            double sum = 0;

            for (unsigned k = 0; k < n_observations; k++) {
                sum += o[k].weight * share[i][k] * share[j][k];
            }
            gram[i][j] = gram[j][i] = sum;
        }
    }
    for (unsigned i = 0; i < n_shapes; i++) {
        for (unsigned j = i; j < n_shapes; j++) {
            bool pair = i != j;
            double a = gram[i][i], b = gram[i][j], c = gram[j][j], x, y = 0;

            if (pair) {
                double det = a * c - b * b;

                if (det <= 1e-9 * a * c) {
                    continue;
                }
                x = (right[i] * c - right[j] * b) / det;
                y = (right[j] * a - right[i] * b) / det;
                if (x < MIN_SET || y < MIN_SET) {
                    continue;
                }
            } else {
                x = a > 0 ? fmax(right[i] / a, 0) : 0;
            }
            if (x + y > ram) {
                double scale = ram / (x + y);

                x *= scale;
                y *= scale;
            }
            curves[n] = (Curve){ { &shapes[i], &shapes[j] }, { x, y }, 0 };
            misfit[n] = square - 2 * (x * right[i] + y * right[j]) + x * x * a + y * y * c +
                        2 * x * y * (pair ? b : 0);
            misfit[n] = fmax(misfit[n], 0);
            best = fmin(best, misfit[n]);
            n++;
        }
    }
    double spread = fmax(1.0, best / fmax(weights - 2, 1));
    for (unsigned i = 0; i < n; i++) {
        curves[i].weight = exp(-(misfit[i] - best) / 2 / spread - (curves[i].n[1] > 0 ? 0.7 : 0.0));
    }
    return n;
}

/* The curve of play @j: drawn by weight, evenly. */
static const Curve *draw_curve(const Curve *curves, unsigned n, double total, unsigned j)
{
    double at = total * (j + 0.5) / PLAYS;

    for (unsigned i = 0; i < n; i++) {
        at -= curves[i].weight;
        if (at <= 0) {
            return &curves[i];
        }
    }
    return &curves[n - 1];
}

/* ---- plays ---- */

static double draw(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return (double)(*state >> 11) / (double)(UINT64_C(1) << 53);
}

/* Index of a random block, or of the first of a run of @run. */
static unsigned draw_block(const Scene *scene, uint64_t *state)
{
    return (unsigned)(draw(state) * scene->n_blocks) % scene->n_blocks;
}

/* Seconds that sending @bytes takes: as long as it took in a run of blocks. */
static double sending_time(const Scene *scene, double bytes, bool best, uint64_t *state)
{
    if (best) {
        return bytes / scene->best_rate;
    }
    unsigned first = draw_block(scene, state);
    double mean = 0;
    unsigned n = 0;

    for (; n < scene->n_blocks && (n == 0 || bytes / (mean / n) > 0.5 * n); n++) {
        mean += scene->rate[(first + n) % scene->n_blocks];
    }
    return bytes / (mean / n);
}

/* The pace of the guest in each of the newest passes, relative to @curve. */
static unsigned paces_of(const Forecaster *f, const Curve *curve, double *pace)
{
    unsigned n = 0;

    for (uint64_t age = 0; age < passes_kept(f) && n < PACES; age++) {
        const ForecastPass *pass = pass_of_age(f, age);
        double expected = curve_at(curve, guest_time(pass));

        if (pass->duration_us >= PACE_PASS_US && expected > 8) {
            pace[n++] = CLAMP(sqrt((double)pass->dirtied / expected), 0.2, 4.0);
        }
    }
    if (n == 0) {
        pace[n++] = 1;
    }
    return n;
}

typedef struct {
    unsigned throttle, too_many;
    double span, dirtied, sent; /* of the period: seconds, bytes */
} Converge;

static void converge_step(Converge *c, const ForecastSettings *s, double span, double dirtied,
                          double sent)
{
    c->span += span;
    c->dirtied += dirtied;
    c->sent += sent;
    if (s->throttle_max == 0 || c->span <= 1.0) {
        return;
    }
    if (c->dirtied > c->sent * s->throttle_trigger / 100.0 && ++c->too_many >= 2) {
        c->too_many = 0;
        c->throttle = c->throttle == 0 ? s->throttle_initial
                                       : MIN(c->throttle + s->throttle_increment, s->throttle_max);
    }
    c->span = c->dirtied = c->sent = 0;
}

static Play play(const Forecaster *f, const Scene *scene, const Curve *curve, bool best,
                 uint64_t seed)
{
    Converge converge = { .throttle = scene->settings->throttle };
    double pace[PACES], dirty[3], low = INFINITY, elapsed = 0, total = 0;
    unsigned n_paces = paces_of(f, curve, pace), stalls = 0;
    uint64_t state = seed * UINT64_C(0x9e3779b97f4a7c15) + 88172645463325252u;
    Play result = { 0 };

    /* What was found dirty belongs to the sets as the curve says; the rest will not come back. */
    for (int i = 0; i < 2; i++) {
        dirty[i] = curve->n[i] > 0 ? curve->n[i] * shape_share(curve->shape[i], scene->last_t) : 0;
        total += dirty[i];
    }
    double found = scene->remaining - scene->left;
    double scale = total > 0 ? found / total : 0;
    for (int i = 0; i < 2; i++) {
        dirty[i] = fmin(dirty[i] * scale, curve->n[i]);
    }
    dirty[2] = fmax(scene->remaining - dirty[0] - dirty[1], 0);

    for (unsigned step = 0; step < MAX_STEPS; step++) {
        double pages = dirty[0] + dirty[1] + dirty[2];
        double threshold = step == 0 ? scene->threshold_now
                           : best    ? scene->best_threshold
                                     : scene->threshold[draw_block(scene, &state)];

        if (pages <= threshold) {
            result.ends = true;
            result.pause =
                ((dirty[0] + dirty[1]) * scene->page_bytes + dirty[2] * scene->cold_bytes) /
                    scene->switchover +
                scene->fixed;
            result.eta = elapsed + result.pause;
            return result;
        }
        if (pages < low * 0.99) {
            low = pages;
            stalls = 0;
        } else if (++stalls > MAX_STALLS) {
            return result;
        }
        double send = ceil((pages - threshold) / scene->batch) * scene->batch;
        send = CLAMP(send, 1, pages);
        double wire = send * ((1 - dirty[2] / pages) * scene->page_bytes +
                              dirty[2] / pages * scene->cold_bytes);
        double span = sending_time(scene, wire, best, &state) + PASS_COST;
        double psi = pace[(unsigned)(draw(&state) * n_paces) % n_paces];
        double t = span * psi * (1.0 - converge.throttle / 100.0), dirtied = 0;
        double left = 1 - send / pages;

        for (int i = 0; i < 2; i++) {
            if (curve->n[i] > 0) {
                double again = curve->n[i] * shape_share(curve->shape[i], t);

                dirtied += again;
                dirty[i] *= left;
                /* What is written in turn meets what is left only when it has come round. */
                dirty[i] = curve->shape[i]->in_turn
                               ? fmin(dirty[i] + again, curve->n[i])
                               : dirty[i] + again * (1 - dirty[i] / curve->n[i]);
            }
        }
        dirty[2] *= left;
        if (step == 0) {
            result.next = span;
        }
        elapsed += span;
        if (scene->elapsed + elapsed > scene->horizon) {
            return result;
        }
        converge_step(&converge, scene->settings, span, dirtied * scene->page_size,
                      send * scene->page_bytes);
    }
    return result;
}

/* ---- the scene ---- */

/* Wire bytes of a dirty page over the newest passes after the first; from the first pass alone
 * without the pages that were never touched. */
static double bytes_of_a_page(const Forecaster *f, double page_size)
{
    double bytes = 0, pages = 0;
    uint64_t kept = passes_kept(f);

    for (uint64_t age = 0; age < MIN(kept, 4u); age++) {
        const ForecastPass *pass = pass_of_age(f, age);

        if (pages > 0 && age == f->n_passes - 1) {
            break; /* the first pass */
        }
        bytes += (double)pass->bytes - 9.0 * (double)pass->fresh_pages;
        pages += (double)pass->pages - (double)pass->fresh_pages;
    }
    return pages >= 1 && bytes > 0 ? CLAMP(bytes / pages, 9.0, page_size * 1.05) : page_size;
}

/* What @rate would have been with the present max-bandwidth. */
static double rate_now(const ForecastBlock *block, const ForecastSettings *s, double rate)
{
    double before = (double)block->max_bandwidth, now = (double)s->max_bandwidth;
    double us = (double)block->duration_us;
    double free = (double)block->bytes * 1e6 / fmax(us - (double)block->limiter_us, us / 50);

    if (before == now || !block->has_settings) {
        return rate;
    }
    if (now > 0 && (now < rate || before == 0)) {
        return fmin(rate, now);
    }
    return fmin(free, now > 0 ? rate * now / before : free);
}

static void set_rates(const Forecaster *f, const ForecastSettings *s, Scene *scene)
{
    uint64_t kept = MIN(f->n_blocks, (uint64_t)MAX_BLOCKS);
    double bytes = 0, us = 0, free_us = 0, limiter = 0;

    for (uint64_t age = 0; age < kept; age++) {
        const ForecastBlock *block = &f->blocks[(f->n_blocks - 1 - age) % MAX_BLOCKS];

        if (block->bytes == 0 || block->duration_us <= 0) {
            continue;
        }
        double rate = (double)block->bytes * 1e6 / (double)block->duration_us;
        double change = rate_now(block, s, rate) / rate;

        scene->rate[scene->n_blocks] = rate * change;
        scene->threshold[scene->n_blocks] = (double)block->threshold / scene->page_size * change;
        if (block->has_settings && block->limit_us > 0) {
            scene->threshold[scene->n_blocks] *= scene->limit * 1e6 / (double)block->limit_us;
        }
        scene->best_rate = fmax(scene->best_rate, scene->rate[scene->n_blocks]);
        scene->n_blocks++;
        bytes += (double)block->bytes;
        us += (double)block->duration_us;
        free_us += (double)block->duration_us - (double)block->limiter_us;
    }
    if (scene->n_blocks == 0) { /* passes alone: short migrations */
        for (uint64_t age = 0; age < passes_kept(f) && us < 1e6; age++) {
            const ForecastPass *pass = pass_of_age(f, age);

            bytes += (double)pass->bytes;
            us += (double)pass->duration_us;
            limiter += (double)pass->limiter_us;
        }
        free_us = us - limiter;
        if (bytes > 0 && us > 0) {
            scene->rate[0] = scene->best_rate = bytes * 1e6 / us;
            scene->threshold[0] = (double)sane(s->threshold) / scene->page_size;
            scene->n_blocks = 1;
        }
    }
    scene->switchover = s->switchover_bandwidth != 0 ? (double)sane(s->switchover_bandwidth)
                                                     : bytes * 1e6 / fmax(free_us, us / 50);
    scene->limiter_share = us > 0 ? fmin(1 - free_us / us, 1) : 0;
    /* What the limit allows may come when the host is less busy. */
    scene->best_rate = fmax(scene->best_rate, fmin((double)s->max_bandwidth, scene->switchover));
    scene->best_threshold = BEST_MARGIN * scene->limit * scene->best_rate / scene->page_size;
    for (unsigned i = 0; i < scene->n_blocks; i++) {
        scene->best_threshold = fmax(scene->best_threshold, scene->threshold[i]);
    }
}

static ForecastRange range_of(double *values, unsigned n)
{
    for (unsigned i = 1; i < n; i++) { /* few: insertion is enough */
        double value = values[i];
        unsigned j = i;

        for (; j > 0 && values[j - 1] > value; j--) {
            values[j] = values[j - 1];
        }
        values[j] = value;
    }
    return (ForecastRange){ whole(values[n / 10] * 1e6), whole(values[n / 2] * 1e6),
                            whole(values[n - 1 - n / 10] * 1e6) };
}

/* ---- what would help ---- */

/* Weighted mean of the curves. */
static double mean_at(const Curve *curves, unsigned n, double total, double t)
{
    double sum = 0;

    for (unsigned i = 0; i < n; i++) {
        if (curves[i].weight > total * 1e-4) {
            sum += curves[i].weight * curve_at(&curves[i], t);
        }
    }
    return sum / total;
}

/* The pages that are dirty however many passes are made: R = W(R w / b), from above. */
static double floor_of(const Curve *curves, unsigned n, double total, const Scene *scene,
                       double rate)
{
    double pages = scene->ram;

    for (int i = 0; i < 60; i++) {
        double next = mean_at(curves, n, total, pages * scene->page_bytes / rate);

        if (fabs(next - pages) < 0.5) {
            break;
        }
        pages = next;
    }
    return pages;
}

/* The time in which the guest dirties @pages; INFINITY if it never dirties so many. */
static double time_to_dirty(const Curve *curves, unsigned n, double total, double pages)
{
    double low = 0, high = TAU_MAX;

    if (mean_at(curves, n, total, high) < pages) {
        return INFINITY;
    }
    for (int i = 0; i < 30; i++) {
        double middle = (low + high) / 2;

        *(mean_at(curves, n, total, middle) < pages ? &low : &high) = middle;
    }
    return high;
}

static void find_needs(const Curve *curves, unsigned n, double total, const Scene *scene,
                       double rate, Forecast *forecast)
{
    double w = scene->page_bytes, pages = forecast->floor;
    double room = fmax(scene->limit - scene->fixed, scene->limit / 10);
    double fits = scene->threshold_now; /* pages */

    /* The switchover begins by its own rule, which may know less of the link than we do. */
    forecast->need_limit_us =
        whole(pages * 1.1 * 1e6 * (fits >= 1 ? scene->limit / fits : w / scene->switchover));
    /* With the bandwidth B the pages dirtied in a pass of the limit are sent in the limit. */
    forecast->need_bandwidth = (uint64_t)whole(mean_at(curves, n, total, room) * w / room * 1.1);
    if (fits >= 1) {
        double t = time_to_dirty(curves, n, total, fits);
        double span = fits * w / rate;
        double speed = t / span / 1.1;

        forecast->need_throttle = speed >= 1 ? 0 : (unsigned)ceil(100 * (1 - speed));
        if (forecast->need_throttle > 99) {
            forecast->need_throttle = 0;
        }
    }
}

/* ---- the forecast ---- */

/* A "no" needs two passes. A verdict stays until the opposite was more likely for DOUBT_PASSES
 * passes and DOUBT_US; each change of mind doubles both. @fits: the switchover begins now. */
static ForecastVerdict decide(Forecaster *f, double share, double best_share, bool fits)
{
    ForecastVerdict before = f->last.verdict, clear = FORECAST_NOT_YET_CLEAR;
    bool low = share <= CLEARLY_NO && best_share <= CLEARLY_NO;
    unsigned patience = 1u << MIN(MAX(f->last.changes, 1u) - 1, 8u);

    if (share >= CLEARLY_YES) {
        clear = FORECAST_WILL_FINISH;
    } else if (low && f->was_low) {
        clear = FORECAST_WILL_NOT_FINISH;
    }
    f->was_low = low;
    if (before == FORECAST_NOT_YET_CLEAR || fits) {
        return clear;
    }
    if (before == FORECAST_WILL_FINISH ? share >= 0.5 : best_share <= 0.5) {
        f->doubts = 0;
        f->doubt_us = 0;
        return before;
    }
    f->doubts++;
    f->doubt_us += pass_of_age(f, 0)->duration_us;
    if (f->doubts < DOUBT_PASSES * patience || f->doubt_us < DOUBT_US * patience) {
        return before;
    }
    f->doubts = 0;
    f->doubt_us = 0;
    return clear;
}

/* The passes were too short to have a rate, or nothing was sent. The switchover may begin all the
 * same. */
static Forecast without_rates(const Forecaster *f, const Scene *scene, const Forecast *begun)
{
    Forecast now = *begun;
    const ForecastPass *newest = pass_of_age(f, 0);

    now.pass = f->n_passes;
    now.page_size = scene->page_size;
    now.limit_us = whole(scene->limit * 1e6);
    now.elapsed_us = whole(scene->elapsed * 1e6);
    now.horizon_us = whole(scene->horizon * 1e6);
    now.remaining = newest->remaining;
    now.threshold = scene->threshold_now;
    now.throttle = newest->throttle;
    if (scene->remaining <= scene->threshold_now) {
        double send =
            scene->switchover > 0 ? scene->remaining * scene->page_bytes / scene->switchover : 0;
        int64_t us = whole((send + scene->fixed) * 1e6);

        now.verdict = FORECAST_WILL_FINISH;
        now.changes += now.verdict != f->last.verdict;
        now.probability = 1;
        now.has_eta = true;
        now.eta_us = now.pause_us = (ForecastRange){ us, us, us };
    }
    return now;
}

const Forecast *forecaster_judge(Forecaster *f, const ForecastSettings *s)
{
    static _Thread_local Curve curves[MAX_CURVES];
    Shape shapes[2 * TAUS];
    Observation observations[MAX_PASSES + MAX_WINDOWS];
    double page_size = (double)CLAMP(s->page_size, 512u, 1u << 30);
    Scene scene = {
        .page_size = page_size,
        .ram = (double)MAX(sane(s->ram_pages), 1u),
        .limit = (double)MAX(sane_us(s->limit_us), 1000) / 1e6,
        .elapsed = (double)sane_us(s->elapsed_us) / 1e6,
        .fixed = (double)sane_us(s->fixed_us) / 1e6,
        .batch = fmax((double)sane(s->batch) / page_size, 1),
        .threshold_now = (double)sane(s->threshold) / page_size,
        .settings = s,
    };
    Forecast now = { .changes = f->last.changes, .verdict = f->last.verdict };

    if (f->n_passes == 0) {
        return &f->last;
    }
    const ForecastPass *newest = pass_of_age(f, 0);
    double first = (double)f->first_pass_us / 1e6;
    scene.horizon = s->horizon_us > 0 ? (double)sane_us(s->horizon_us) / 1e6
                                      : fmax(fmax(20 * first, 60), scene.elapsed + 5 * first + 30);
    scene.page_bytes = bytes_of_a_page(f, page_size);
    scene.cold_bytes = f->cold_bytes;
    scene.remaining = fmin((double)newest->remaining, scene.ram);
    scene.left = fmax(scene.remaining - (double)newest->dirtied, 0);
    scene.last_t = guest_time(newest);
    set_rates(f, s, &scene);
    unsigned n_observations = collect(f, observations);
    if (scene.n_blocks == 0 || n_observations == 0) {
        f->last = without_rates(f, &scene, &now);
        return &f->last;
    }

    unsigned n_shapes = make_shapes(shapes);
    unsigned n = fit_curves(observations, n_observations, scene.ram, shapes, n_shapes, curves);
    double total = 0, eta[PLAYS], pause[PLAYS], next = 0;
    unsigned ends = 0, best_ends = 0;

    for (unsigned i = 0; i < n; i++) {
        total += curves[i].weight;
    }
    for (unsigned j = 0; j < PLAYS; j++) {
        Play p = play(f, &scene, draw_curve(curves, n, total, j), false, j + 1);

        if (p.ends) {
            eta[ends] = p.eta;
            pause[ends] = p.pause;
            ends++;
        }
        next += p.next / PLAYS;
    }
    double share = (double)ends / PLAYS, best_share = share;
    if (share <= CLEARLY_NO) {
        for (unsigned j = 0; j < PLAYS; j++) {
            best_ends += play(f, &scene, draw_curve(curves, n, total, j), true, j + 1).ends;
        }
        best_share = (double)best_ends / PLAYS;
    }

    now.pass = f->n_passes;
    now.probability = share;
    now.has_eta = ends > 0;
    if (ends > 0) {
        now.eta_us = range_of(eta, ends);
        now.pause_us = range_of(pause, ends);
    }
    now.verdict = decide(f, share, best_share, scene.remaining <= scene.threshold_now);
    now.changes += now.verdict != f->last.verdict;
    now.next_pass_us = whole(next * 1e6);
    now.remaining = newest->remaining;
    now.page_size = page_size;
    now.limit_us = sane_us(s->limit_us);
    now.elapsed_us = sane_us(s->elapsed_us);
    now.throttle = newest->throttle;
    now.observations = n_observations;
    now.plays = PLAYS;
    now.page_bytes = scene.page_bytes;
    now.switchover_bandwidth = scene.switchover;
    now.limiter_share = scene.limiter_share;
    now.horizon_us = whole(scene.horizon * 1e6);
    now.threshold = scene.threshold_now;
    double rate = 0;
    for (unsigned i = 0; i < scene.n_blocks; i++) {
        rate += scene.rate[i] / scene.n_blocks;
    }
    now.bandwidth = rate;
    now.working_set = mean_at(curves, n, total, TAU_MAX);
    now.dirty_rate = mean_at(curves, n, total, scene.limit) / fmax(scene.limit, 1e-3);
    now.floor = floor_of(curves, n, total, &scene, rate);
    if (now.verdict != FORECAST_WILL_FINISH) {
        find_needs(curves, n, total, &scene, rate, &now);
    }
    f->last = now;
    return &f->last;
}
