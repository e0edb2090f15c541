/* Texts as small numbers, each told apart once. */
#ifndef ATTRIBUTE_SCANNER_NAMES_H
#define ATTRIBUTE_SCANNER_NAMES_H

#include "words.h"

typedef struct {
    const uint8_t *text; /* within the input; NULL where there is none */
    int32_t size;
} Span;

typedef struct {
    uint64_t hash;
    Span span;
    int64_t count;
    bool ends; /* of a function: whether it wrote a record that ends a request */
} Entry;

#define GUESSES 16

typedef struct {
    Entry *entries;
    uint32_t size, room;
    uint32_t *places; /* number of an entry plus one, or 0; open addressing, a power of two */
    uint32_t mask;
    uint32_t last; /* the entry that was asked for last: mostly the next one too */
    uint32_t guesses[GUESSES]; /* entries by how their texts begin, as they were read last */
} Names;

static bool names_init(Names *names)
{
    *names = (Names){0};
    names->room = 16;
    names->mask = 63;
    names->entries = malloc(names->room * sizeof(Entry));
    names->places = calloc(names->mask + 1, sizeof(uint32_t));
    return names->entries != NULL && names->places != NULL;
}

static void names_free(Names *names)
{
    free(names->entries);
    free(names->places);
}

static uint64_t mixed(uint64_t word, uint64_t seed)
{
    word = (word ^ seed) * 0x9E3779B97F4A7C15u;
    word = (word ^ (word >> 32)) * 0xD6E8FEB86659FD93u;
    return word ^ (word >> 32);
}

/* The seed keeps a log from choosing names that meet in one place. */
static uint64_t hash_of(Span span, uint64_t seed)
{
    uint64_t hash = seed + (uint64_t)span.size;
    const uint8_t *at = span.text;
    int32_t left = span.size;
    for (; left > 8; at += 8, left -= 8)
        hash = mixed(word_at(at), hash);
    return left == 0 ? hash : mixed(last_word(at + left, left, span.size), hash);
}

static inline bool same(Span left, Span right)
{
    if (left.size != right.size || left.text == right.text)
        return left.size == right.size;
    return left.text != NULL && right.text != NULL && same_bytes(left.text, right.text, left.size);
}

static bool names_grow(Names *names)
{
    if (names->size == names->room) {
        Entry *entries = realloc(names->entries, 2 * (size_t)names->room * sizeof(Entry));
        if (entries == NULL)
            return false;
        names->entries = entries;
        names->room *= 2;
    }
    if (2 * (names->size + 1) > names->mask) {
        uint32_t mask = 2 * names->mask + 1;
        uint32_t *places = calloc((size_t)mask + 1, sizeof(uint32_t));
        if (places == NULL)
            return false;
        for (uint32_t number = 0; number < names->size; number++) {
            uint32_t place = (uint32_t)names->entries[number].hash & mask;
            while (places[place] != 0)
                place = (place + 1) & mask;
            places[place] = number + 1;
        }
        free(names->places);
        names->places = places;
        names->mask = mask;
    }
    return true;
}

static uint32_t *guess_of(Names *names, uint64_t begins)
{
    return &names->guesses[begins * 0x9E3779B97F4A7C15u >> 60];
}

/* Give the number of a text, a new one where it was never seen; UINT32_MAX where memory is short. */
static uint32_t number_of(Names *names, Span span, uint64_t seed)
{
    if (names->last < names->size && same(names->entries[names->last].span, span))
        return names->last;
    uint64_t hash = hash_of(span, seed); /* no text has no bytes: never those of another */
    uint32_t place = (uint32_t)hash & names->mask;
    for (; names->places[place] != 0; place = (place + 1) & names->mask) {
        uint32_t number = names->places[place] - 1;
        if (names->entries[number].hash == hash && same(names->entries[number].span, span))
            return names->last = number;
    }
    if (!names_grow(names))
        return UINT32_MAX;
    place = (uint32_t)hash & names->mask;
    while (names->places[place] != 0)
        place = (place + 1) & names->mask;
    names->entries[names->size] = (Entry){.hash = hash, .span = span};
    names->places[place] = ++names->size;
    return names->last = names->size - 1;
}

#endif
