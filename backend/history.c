/*
 * See history.h.
 */
#include "backend/history.h"

const PausePartDesc pause_parts[PAUSE__COUNT] = {
#define MIG_PAUSE_PART(mark, member, name) { member, name },
#include "backend/history.def"
};

const SampleFigureDesc sample_figures[SAMPLE__COUNT] = {
#define MIG_SAMPLE(id, counter, factor, member, name, unit, kind) { member, name, unit },
#include "backend/history.def"
};
