/*
 * Random numbers that a seed repeats, and texts broken at random. For fuzzers.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint64_t state;
} Random;

void random_seed(Random *random, uint64_t seed);
uint64_t random_next(Random *random);
/* 0 .. @n - 1. */
size_t random_below(Random *random, size_t n);
/* True once in @n. */
bool random_one_in(Random *random, size_t n);

/* Words that parsers stumble over; names from the tables among them. Borrowed. */
const char *random_word(Random *random);

/* Breaks @text in one to eight ways; @other is some other text to take pieces from. */
void random_mutate(Random *random, GString *text, const char *other);
