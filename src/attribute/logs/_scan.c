/*
 * Lines of flat M1 objects to columns, in one pass without the interpreter.
 *
 * `scan` vouches for a line only where it can prove what the line says: an object, perhaps behind a time and some
 * text, whose members are scalars of a narrow grammar (ASCII, no escapes, no exponents, no key twice, every required
 * field there and within its bounds). Every other line is handed back by its place and belongs on the exact path. The
 * bounds are those of `attribute.m1.fields`; a test holds the two together.
 *
 * Records that can be of no incident, whatever the rules say (a status under 400, and sooner than anything is slow), are
 * counted on the spot where the caller asks for it: of these only the ids leave, and the counts.
 *
 * The columns leave through the Arrow C data interface (https://arrow.apache.org/docs/format/CDataInterface.html),
 * so that nothing is copied on the way to polars.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#if defined(__GLIBC__)
#include <malloc.h>
#endif
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* -- the Arrow C data interface, as its specification declares it ------------------------------------------------- */

#define ARROW_FLAG_NULLABLE 2

struct ArrowSchema {
    const char *format;
    const char *name;
    const char *metadata;
    int64_t flags;
    int64_t n_children;
    struct ArrowSchema **children;
    struct ArrowSchema *dictionary;
    void (*release)(struct ArrowSchema *);
    void *private_data;
};

struct ArrowArray {
    int64_t length;
    int64_t null_count;
    int64_t offset;
    int64_t n_buffers;
    int64_t n_children;
    const void **buffers;
    struct ArrowArray **children;
    struct ArrowArray *dictionary;
    void (*release)(struct ArrowArray *);
    void *private_data;
};

/* -- texts to small numbers ---------------------------------------------------------------------------------------- */

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

typedef struct {
    Entry *entries;
    uint32_t size, room;
    uint32_t *places; /* number of an entry plus one, or 0; open addressing, a power of two */
    uint32_t mask;
    uint32_t last; /* the entry that was asked for last: mostly the next one too */
} Names;

static bool names_init(Names *names)
{
    names->size = names->last = 0;
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
    for (; left >= 8; at += 8, left -= 8) {
        uint64_t word;
        memcpy(&word, at, 8);
        hash = mixed(word, hash);
    }
    uint64_t rest = 0;
    for (int32_t byte = 0; byte < left; byte++)
        rest |= (uint64_t)at[byte] << (8 * byte);
    return mixed(rest, hash);
}

static bool same(Span left, Span right)
{
    if (left.size != right.size || (left.text == NULL) != (right.text == NULL))
        return false;
    int32_t at = 0;
    for (; at + 8 <= left.size; at += 8) {
        uint64_t one, other;
        memcpy(&one, left.text + at, 8);
        memcpy(&other, right.text + at, 8);
        if (one != other)
            return false;
    }
    for (; at < left.size; at++) {
        if (left.text[at] != right.text[at])
            return false;
    }
    return true;
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

/* -- values -------------------------------------------------------------------------------------------------------- */

#define MOST_TEXT 65536
#define REPEATED(byte) (0x0101010101010101u * (uint64_t)(byte))
#define HIGH REPEATED(0x80)

/* Mark bytes that end or spoil a plain text: quote, backslash, control character, and all that is not ASCII. */
static uint64_t special(uint64_t word)
{
    uint64_t quote = word ^ REPEATED('"');
    uint64_t slash = word ^ REPEATED('\\');
    return ((quote - REPEATED(1)) | (slash - REPEATED(1)) | (word - REPEATED(0x20)) | word) & HIGH;
}

/* Read a text from behind its opening quote; give the place behind the closing one, or NULL. */
static const uint8_t *plain_text(const uint8_t *at, const uint8_t *end, const uint8_t *limit, Span *span)
{
    const uint8_t *start = at;
    while (at + 8 <= limit) {
        uint64_t word;
        memcpy(&word, at, 8);
        uint64_t marked = special(word);
        if (marked != 0) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
            at += __builtin_ctzll(marked) / 8; /* the first mark is never a false one: those only follow a true one */
#endif
            break;
        }
        at += 8;
    }
    while (at < end && *at != '"') {
        if (*at < 0x20 || *at >= 0x80 || *at == '\\')
            return NULL;
        at++;
    }
    if (at >= end || at - start > MOST_TEXT)
        return NULL;
    *span = (Span){start, (int32_t)(at - start)};
    return at + 1;
}

static const uint64_t TEN_TO[] = {
    1u,
    10u,
    100u,
    1000u,
    10000u,
    100000u,
    1000000u,
    10000000u,
    100000000u,
    1000000000u,
    10000000000u,
    100000000000u,
    1000000000000u,
    10000000000000u,
    100000000000000u,
    1000000000000000u,
    10000000000000000u,
    100000000000000000u,
};

static bool is_digit(uint8_t byte)
{
    return (uint8_t)(byte - '0') < 10;
}

/* Read up to `most` digits without a leading zero (a single 0 is fine); NULL where there are none or more. */
static const uint8_t *whole_number(const uint8_t *at, const uint8_t *end, int most, uint64_t *value)
{
    const uint8_t *start = at;
    uint64_t number = 0;
    while (at < end && is_digit(*at)) {
        if (at - start == most)
            return NULL;
        number = 10 * number + (uint64_t)(*at - '0');
        at++;
    }
    if (at == start || (*start == '0' && at - start > 1))
        return NULL;
    *value = number;
    return at;
}

/* The double nearest to digits / 10^places, ties to even: what a correct reader of decimal numbers gives. */
static double nearest(uint64_t digits, int places)
{
    if (digits < ((uint64_t)1 << 53))
        return (double)digits / (double)TEN_TO[places]; /* both exact, so the quotient is rounded once */
    int shift = __builtin_clzll(digits);
    unsigned __int128 numerator = (unsigned __int128)(digits << shift) << 63;
    unsigned __int128 quotient = numerator / TEN_TO[places];
    bool inexact = quotient * TEN_TO[places] != numerator;
    int drop = 0; /* keep 55 bits: 53, one to round by, and one that says whether anything was lost */
    while (quotient >> drop >> 55)
        drop++;
    uint64_t kept = (uint64_t)(quotient >> drop);
    if (inexact || ((unsigned __int128)kept << drop) != quotient)
        kept |= 1;
    return ldexp((double)kept, drop - 63 - shift);
}

#define MOST_MS 1000000000u
#define MOST_DIGITS 19

static const uint8_t *milliseconds(const uint8_t *at, const uint8_t *end, double *value)
{
    uint64_t whole;
    const uint8_t *start = at;
    at = whole_number(at, end, 10, &whole);
    if (at == NULL || whole > MOST_MS)
        return NULL;
    if (at == end || *at != '.') {
        *value = (double)whole;
        return at;
    }
    int most = MOST_DIGITS - (int)(at - start);
    const uint8_t *point = at++;
    uint64_t digits = whole;
    while (at < end && is_digit(*at)) {
        if (at - point > most || at - point > 17)
            return NULL;
        digits = 10 * digits + (uint64_t)(*at - '0');
        at++;
    }
    int places = (int)(at - point) - 1;
    if (places == 0 || (whole == MOST_MS && digits != whole * TEN_TO[places]))
        return NULL;
    *value = nearest(digits, places);
    return at;
}

static const uint8_t *status_code(const uint8_t *at, const uint8_t *end, int16_t *value)
{
    if (end - at < 3 || at[0] < '1' || at[0] > '5' || !is_digit(at[1]) || !is_digit(at[2]))
        return NULL;
    *value = (int16_t)(100 * (at[0] - '0') + 10 * (at[1] - '0') + (at[2] - '0'));
    return at + 3;
}

/* A scalar of an unknown key, of which nothing is kept. */
static const uint8_t *any_scalar(const uint8_t *at, const uint8_t *end, const uint8_t *limit)
{
    Span ignored;
    uint64_t number;
    if (at == end)
        return NULL;
    if (*at == '"')
        return plain_text(at + 1, end, limit, &ignored);
    if (*at == 't' || *at == 'n')
        return end - at >= 4 && memcmp(at, *at == 't' ? "true" : "null", 4) == 0 ? at + 4 : NULL;
    if (*at == 'f')
        return end - at >= 5 && memcmp(at, "false", 5) == 0 ? at + 5 : NULL;
    at = whole_number(at + (*at == '-'), end, 15, &number);
    if (at == NULL || at == end || *at != '.')
        return at;
    const uint8_t *point = at++;
    while (at < end && is_digit(*at))
        at++;
    return at - point > 1 && at - point <= 16 ? at : NULL;
}

/* -- times --------------------------------------------------------------------------------------------------------- */

#define MOST_US 253402300799999999
#define SECONDS_BELOW 100000000000u

typedef struct {
    uint8_t text[10];
    int64_t days;
} Date; /* the one that was read last: mostly the next one too */

static int two_digits(const uint8_t *at)
{
    return is_digit(at[0]) && is_digit(at[1]) ? 10 * (at[0] - '0') + (at[1] - '0') : -1;
}

/* Days since 1970-01-01 of a date `YYYY-MM-DD` of the years 1970 to 9999, or -1. */
static int64_t days_of(const uint8_t *at)
{
    static const uint8_t DAYS_IN[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int century = two_digits(at), rest = two_digits(at + 2), month = two_digits(at + 5), day = two_digits(at + 8);
    if (century < 0 || rest < 0 || at[4] != '-' || at[7] != '-' || month < 1 || month > 12 || day < 1)
        return -1;
    int year = 100 * century + rest;
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    if (year < 1970 || day > DAYS_IN[month - 1] + (leap && month == 2))
        return -1;
    int before = year - 1;
    int64_t days = 365 * (int64_t)before + before / 4 - before / 100 + before / 400 - 719162;
    for (int earlier = 1; earlier < month; earlier++)
        days += DAYS_IN[earlier - 1] + (leap && earlier == 2);
    return days + day - 1;
}

/* Read RFC 3339 with a zone, a fraction of any length cut to microseconds; NULL where it is none. */
static const uint8_t *rfc_3339(const uint8_t *at, const uint8_t *end, Date *date, int64_t *us)
{
    if (end - at < 20)
        return NULL;
    if (memcmp(at, date->text, 10) != 0) {
        int64_t days = days_of(at);
        if (days < 0)
            return NULL;
        memcpy(date->text, at, 10);
        date->days = days;
    }
    int hour = two_digits(at + 11), minute = two_digits(at + 14), second = two_digits(at + 17);
    bool parted = (at[10] == 'T' || at[10] == 't' || at[10] == ' ') && at[13] == ':' && at[16] == ':';
    if (!parted || hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59)
        return NULL;
    int64_t fraction = 0, seconds = 86400 * date->days + 3600 * hour + 60 * minute + second;
    at += 19;
    if (*at == '.') {
        int64_t unit = 100000;
        const uint8_t *point = at++;
        for (; at < end && is_digit(*at); at++, unit /= 10)
            fraction += unit * (*at - '0');
        if (at - point == 1)
            return NULL;
    }
    if (at == end)
        return NULL;
    if (*at == '+' || *at == '-') {
        if (end - at < 6 || at[3] != ':')
            return NULL;
        int hours = two_digits(at + 1), minutes = two_digits(at + 4);
        if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59)
            return NULL;
        seconds -= (*at == '+' ? 1 : -1) * (int64_t)(3600 * hours + 60 * minutes);
        at += 6;
    } else if (*at == 'Z' || *at == 'z') {
        at++;
    } else {
        return NULL;
    }
    *us = 1000000 * seconds + fraction;
    return *us >= 0 && *us <= MOST_US ? at : NULL;
}

/* -- rows ---------------------------------------------------------------------------------------------------------- */

enum { REQUEST_ID, FUNCTION, STAGE, STATUS, LATENCY, ERROR_CODE, UPSTREAM_STATUS, UPSTREAM_LATENCY, TS, UPSTREAM,
       UPSTREAM_CALLS, VERSION, FIELD_COUNT, UNKNOWN };

static const struct {
    const char *name;
    int size;
    int least, most; /* characters of a text */
} FIELD[FIELD_COUNT] = {
    {"request_id", 10, 1, 128},
    {"function", 8, 1, 128},
    {"stage", 5, 1, 64},
    {"status", 6, 0, 0},
    {"latency_ms", 10, 0, 0},
    {"error_code", 10, 0, 128},
    {"upstream_status", 15, 0, 0},
    {"upstream_latency_ms", 19, 0, 0},
    {"ts", 2, 0, 0},
    {"upstream", 8, 0, 64},
    {"upstream_calls", 14, 0, 0},
    {"v", 1, 0, 0},
};
#define REQUIRED 0xFFu /* the first eight */
#define MOST_CALLS 1000000u
#define MOST_VERSION 2147483647u
#define TIMEOUT 0       /* attribute.m1.fields.UPSTREAM_TIMEOUT */
#define NO_STATUS (-1)  /* here only: null */

#define MOST_MEMBERS 64
#define MOST_UNKNOWN 16
#define MOST_UNKNOWN_NAMES 4096

typedef struct {
    Span text[FIELD_COUNT]; /* of the fields that are texts */
    int16_t status, upstream_status;
    double latency_ms, upstream_latency_ms;
    int64_t at_us;
    int32_t upstream_calls;
    uint64_t version;
    bool has_upstream_latency, has_at, has_calls;
    Span unknown[MOST_UNKNOWN];
    int unknown_count;
} Row;

/* -- tables: what leaves, column by column ------------------------------------------------------------------------- */

#define MOST_COLUMNS 12

typedef struct {
    const char *name, *format; /* as Arrow spells types; `vu` is text */
    size_t width;
    bool nullable;
} Column;

enum { C_REQUEST_ID, C_FUNCTION, C_STAGE, C_ERROR_CODE, C_UPSTREAM, C_STATUS, C_UPSTREAM_STATUS, C_LATENCY,
       C_UPSTREAM_LATENCY, C_AT, C_CALLS, C_LINE, C_END };
static const Column RECORD_COLUMNS[] = {
    {"request_id", "vu", 16, false},
    {"function", "I", 4, false},
    {"stage", "I", 4, false},
    {"error_code", "I", 4, false},
    {"upstream", "I", 4, false},
    {"status", "I", 4, false},
    {"upstream_status", "I", 4, false},
    {"latency_ms", "g", 8, false},
    {"upstream_latency_ms", "g", 8, true},
    {"at", "tsu:UTC", 8, true},
    {"upstream_calls", "i", 4, true},
    {"line", "I", 4, false},
};

enum { Q_REQUEST_ID, Q_ENDING, Q_END };
static const Column CALM_COLUMNS[] = {
    {"request_id", "vu", 16, false},
    {"ending", "C", 1, false},
};

enum { N_MINUTE, N_FUNCTION, N_STAGE, N_ERROR_CODE, N_UPSTREAM, N_STATUS, N_UPSTREAM_STATUS, N_REQUESTS, N_END };
static const Column COUNT_COLUMNS[] = {
    {"minute", "tsu:UTC", 8, true},
    {"function", "I", 4, false},
    {"stage", "I", 4, false},
    {"error_code", "I", 4, false},
    {"upstream", "I", 4, false},
    {"status", "I", 4, false},
    {"upstream_status", "I", 4, false},
    {"requests", "l", 8, false},
};

enum { L_SLOT, L_ENDING, L_FUNCTION, L_MEASURE, L_BUCKET, L_REQUESTS, L_END };
static const Column LATENCY_COLUMNS[] = {
    {"slot", "tsu:UTC", 8, true},
    {"ending", "C", 1, false},
    {"function", "I", 4, false},
    {"measure", "I", 4, false},
    {"bucket", "i", 4, false},
    {"requests", "l", 8, false},
};

typedef struct {
    const Column *columns;
    int column_count;
    int64_t rows, room;
    void *data[MOST_COLUMNS];
    uint8_t *valid[MOST_COLUMNS];
    int64_t nulls[MOST_COLUMNS];
    uint8_t *texts; /* texts over twelve bytes, end to end */
    int64_t texts_size, texts_room;
} Table;

static void table_free(Table *table)
{
    for (int column = 0; column < table->column_count; column++) {
        free(table->data[column]);
        free(table->valid[column]);
    }
    free(table->texts);
}

static bool more_room(void **data, int64_t room, size_t width)
{
    void *grown = realloc(*data, (size_t)room * width);
    if (grown == NULL)
        return false;
    *data = grown;
    return true;
}

/* Make room for one more row; its cells are written next, and `rows` is counted up last. */
static bool room_for_row(Table *table)
{
    if (table->rows < table->room)
        return true;
    int64_t room = table->room == 0 ? 1024 : 2 * table->room;
    for (int column = 0; column < table->column_count; column++) {
        if (!more_room(&table->data[column], room, table->columns[column].width))
            return false;
        if (table->columns[column].nullable && !more_room((void **)&table->valid[column], room / 8, 1))
            return false;
    }
    table->room = room;
    return true;
}

#define CELL(table, column, type) (((type *)(table)->data[column])[(table)->rows])

static void set_valid(Table *table, int column, bool valid)
{
    uint8_t *byte = &table->valid[column][table->rows / 8];
    uint8_t bit = (uint8_t)(1u << (table->rows % 8));
    if (table->rows % 8 == 0)
        *byte = 0;
    if (valid)
        *byte |= bit;
    else
        table->nulls[column]++;
}

/* Write a text into column 0 as Arrow's string views have it: short ones in place, long ones by where they lie. */
static bool put_text(Table *table, Span text)
{
    uint8_t *view = (uint8_t *)table->data[0] + 16 * table->rows;
    memset(view, 0, 16);
    memcpy(view, &text.size, 4);
    if (text.size <= 12) {
        memcpy(view + 4, text.text, (size_t)text.size);
        return true;
    }
    if (table->texts_size + text.size > table->texts_room) {
        int64_t room = 2 * (table->texts_room + text.size) + 4096;
        if (!more_room((void **)&table->texts, room, 1))
            return false;
        table->texts_room = room;
    }
    int32_t offset = (int32_t)table->texts_size;
    memcpy(table->texts + offset, text.text, (size_t)text.size);
    memcpy(view + 4, text.text, 4);
    memcpy(view + 12, &offset, 4);
    table->texts_size += text.size;
    return true;
}

/* -- counting ------------------------------------------------------------------------------------------------------ */

typedef struct {
    uint64_t key;
    int64_t count; /* 0: nothing stands in this place */
} Cell;

/* How often each of some whole numbers came; open addressing, grown at half full. */
typedef struct {
    Cell *cells;
    uint64_t mask;
    uint64_t size;
    uint64_t seed;
} Counter;

static bool counter_init(Counter *counter, uint64_t seed)
{
    *counter = (Counter){.mask = 1023, .seed = seed};
    counter->cells = calloc(counter->mask + 1, sizeof(Cell));
    return counter->cells != NULL;
}

static void counter_free(Counter *counter)
{
    free(counter->cells);
}

static Cell *cell_of(const Counter *counter, uint64_t key)
{
    uint64_t place = mixed(key, counter->seed) & counter->mask;
    while (counter->cells[place].count != 0 && counter->cells[place].key != key)
        place = (place + 1) & counter->mask;
    return &counter->cells[place];
}

static bool counter_grow(Counter *counter)
{
    Counter grown = {.mask = 2 * counter->mask + 1, .size = counter->size, .seed = counter->seed};
    grown.cells = calloc(grown.mask + 1, sizeof(Cell));
    if (grown.cells == NULL)
        return false;
    for (uint64_t old = 0; old <= counter->mask; old++) {
        if (counter->cells[old].count != 0)
            *cell_of(&grown, counter->cells[old].key) = counter->cells[old];
    }
    counter_free(counter);
    *counter = grown;
    return true;
}

static bool count(Counter *counter, uint64_t key)
{
    Cell *cell = cell_of(counter, key);
    if (cell->count++ != 0)
        return true;
    cell->key = key;
    return 2 * ++counter->size <= counter->mask || counter_grow(counter);
}

/* The bucket of a latency: `attribute.buckets` says what it is, and a test holds the two together. */
static uint32_t bucket_of(double ms)
{
    uint64_t whole = (uint64_t)ms;
    whole += ms - (double)whole >= 0.5;
    int octave = whole < 64 ? 0 : 58 - __builtin_clzll(whole);
    return (uint32_t)(32 * octave) + (uint32_t)(whole >> octave);
}

/* Whole numbers, each different one numbered in the order in which they come. */
typedef struct {
    Counter places; /* holds the number plus one where a counter holds a count */
    uint64_t *keys; /* by number */
    uint64_t room;
    uint64_t last; /* the one that was asked for last: mostly the next one too */
} Numbering;

static bool numbering_init(Numbering *numbering, uint64_t seed)
{
    *numbering = (Numbering){.room = 64};
    numbering->keys = malloc(numbering->room * sizeof(uint64_t));
    return counter_init(&numbering->places, seed) && numbering->keys != NULL;
}

static void numbering_free(Numbering *numbering)
{
    counter_free(&numbering->places);
    free(numbering->keys);
}

static bool number_of_key(Numbering *numbering, uint64_t key, uint64_t *number)
{
    Counter *places = &numbering->places;
    if (places->size != 0 && numbering->keys[numbering->last] == key) {
        *number = numbering->last;
        return true;
    }
    Cell *cell = cell_of(places, key);
    if (cell->count == 0) {
        if (places->size == numbering->room) {
            if (!more_room((void **)&numbering->keys, (int64_t)(2 * numbering->room), sizeof(uint64_t)))
                return false;
            numbering->room *= 2;
        }
        numbering->keys[places->size] = key;
        *cell = (Cell){.key = key, .count = (int64_t)++places->size};
        *number = numbering->last = places->size - 1;
        return 2 * places->size <= places->mask || counter_grow(places);
    }
    *number = numbering->last = (uint64_t)cell->count - 1;
    return true;
}

typedef struct {
    int64_t line, start, end;
} Left;

/* Statuses (or NO_STATUS) to small numbers, in the order in which they come. */
typedef struct {
    int16_t number[601];
    int16_t value[601];
    int16_t size;
} Statuses;

static uint32_t status_number(Statuses *statuses, int16_t status)
{
    int16_t place = (int16_t)(status + 1);
    if (statuses->number[place] < 0) {
        statuses->value[statuses->size] = status;
        statuses->number[place] = statuses->size++;
    }
    return (uint32_t)statuses->number[place];
}

#define LEAD_WORDS 3

/* What stands before a value: comma, key, colon and white space. */
typedef struct {
    uint64_t words[LEAD_WORDS], mask[LEAD_WORDS];
    int size; /* 0: nothing is known */
    int field;
} Lead;

/* What the caller says of calm records: whether they are counted here, and how. */
typedef struct {
    bool counted;
    double below_ms;           /* a record with a status under 400 and a latency under this one is calm */
    int64_t since_us, until_us; /* where they count, half-open */
    bool untimed_too;          /* whether records without a time count */
    int64_t slot_us;           /* how wide the slots of the latencies are */
} Calm;

typedef struct {
    Calm calm;
    Table records, calm_ids, counts, latencies;
    Names function, stage, error_code, upstream, unknown;
    Statuses status, upstream_status;
    Numbering kinds;
    Counter by_minute, by_bucket;
    Left *left;
    int64_t left_size, left_room;
    int64_t lines, newer;
    int64_t untimed, outside, first_us, last_us; /* of calm records */
    uint64_t seed;
    bool strict, short_of_memory;
    Lead leads[MOST_MEMBERS]; /* what stood before each value of the line before */
    Date date;
} Scan;

#define TABLE(of) (Table){.columns = of, .column_count = (int)(sizeof(of) / sizeof *(of))}

static bool scan_init(Scan *scan, uint64_t seed, bool strict, Calm calm)
{
    memset(scan, 0, sizeof *scan);
    memset(scan->status.number, 0xFF, sizeof scan->status.number);
    memset(scan->upstream_status.number, 0xFF, sizeof scan->upstream_status.number);
    scan->calm = calm;
    scan->seed = seed;
    scan->strict = strict;
    scan->first_us = INT64_MAX;
    scan->last_us = INT64_MIN;
    scan->records = TABLE(RECORD_COLUMNS);
    scan->calm_ids = TABLE(CALM_COLUMNS);
    scan->counts = TABLE(COUNT_COLUMNS);
    scan->latencies = TABLE(LATENCY_COLUMNS);
    bool ready = names_init(&scan->function);
    ready &= names_init(&scan->stage);
    ready &= names_init(&scan->error_code);
    ready &= names_init(&scan->upstream);
    ready &= names_init(&scan->unknown);
    ready &= numbering_init(&scan->kinds, seed);
    ready &= counter_init(&scan->by_minute, seed);
    ready &= counter_init(&scan->by_bucket, seed);
    return ready;
}

static void scan_free(Scan *scan)
{
    table_free(&scan->records);
    table_free(&scan->calm_ids);
    table_free(&scan->counts);
    table_free(&scan->latencies);
    free(scan->left);
    names_free(&scan->function);
    names_free(&scan->stage);
    names_free(&scan->error_code);
    names_free(&scan->upstream);
    names_free(&scan->unknown);
    numbering_free(&scan->kinds);
    counter_free(&scan->by_minute);
    counter_free(&scan->by_bucket);
}

/* A record's columns with few different values, as numbers. */
typedef struct {
    uint32_t function, stage, error_code, upstream, status, upstream_status;
} Codes;

static bool codes_of(Scan *scan, const Row *row, Codes *codes)
{
    codes->function = number_of(&scan->function, row->text[FUNCTION], scan->seed);
    codes->stage = number_of(&scan->stage, row->text[STAGE], scan->seed);
    codes->error_code = number_of(&scan->error_code, row->text[ERROR_CODE], scan->seed);
    codes->upstream = number_of(&scan->upstream, row->text[UPSTREAM], scan->seed);
    codes->status = status_number(&scan->status, row->status);
    codes->upstream_status = status_number(&scan->upstream_status, row->upstream_status);
    return codes->function != UINT32_MAX && codes->stage != UINT32_MAX && codes->error_code != UINT32_MAX &&
           codes->upstream != UINT32_MAX;
}

static bool keep_record(Scan *scan, const Row *row, const Codes *codes)
{
    Table *table = &scan->records;
    if (!room_for_row(table) || !put_text(table, row->text[REQUEST_ID]))
        return false;
    CELL(table, C_FUNCTION, uint32_t) = codes->function;
    CELL(table, C_STAGE, uint32_t) = codes->stage;
    CELL(table, C_ERROR_CODE, uint32_t) = codes->error_code;
    CELL(table, C_UPSTREAM, uint32_t) = codes->upstream;
    CELL(table, C_STATUS, uint32_t) = codes->status;
    CELL(table, C_UPSTREAM_STATUS, uint32_t) = codes->upstream_status;
    CELL(table, C_LATENCY, double) = row->latency_ms;
    CELL(table, C_UPSTREAM_LATENCY, double) = row->upstream_latency_ms;
    CELL(table, C_AT, int64_t) = row->at_us;
    CELL(table, C_CALLS, int32_t) = row->upstream_calls;
    CELL(table, C_LINE, uint32_t) = (uint32_t)scan->lines;
    set_valid(table, C_UPSTREAM_LATENCY, row->has_upstream_latency);
    set_valid(table, C_AT, row->has_at);
    set_valid(table, C_CALLS, row->has_calls);
    table->rows++;
    return true;
}

/* -- calm records -------------------------------------------------------------------------------------------------- */

#define US_OF_MINUTE 60000000
#define UNTIMED_MINUTE UINT32_MAX /* the last minute that is read is an earlier one */
#define LEAST_SLOT_US 600000000LL /* with it a slot's number is under UNTIMED_SLOT */
#define UNTIMED_SLOT (((uint64_t)1 << 29) - 1)

/* Several codes in one number; more names than fit are for a caller who has room for them. */
static bool pack(const Codes *codes, uint64_t *kind)
{
    if (codes->function >> 16 || codes->stage >> 8 || codes->error_code >> 12 || codes->upstream >> 8)
        return false;
    *kind = (uint64_t)codes->function << 48 | (uint64_t)codes->stage << 40 | (uint64_t)codes->error_code << 28 |
            (uint64_t)codes->upstream << 20 | (uint64_t)codes->status << 10 | codes->upstream_status;
    return true;
}

static Codes unpack(uint64_t kind)
{
    return (Codes){
        .function = (uint32_t)(kind >> 48),
        .stage = (uint32_t)(kind >> 40) & 0xFF,
        .error_code = (uint32_t)(kind >> 28) & 0xFFF,
        .upstream = (uint32_t)(kind >> 20) & 0xFF,
        .status = (uint32_t)(kind >> 10) & 0x3FF,
        .upstream_status = (uint32_t)kind & 0x3FF,
    };
}

static bool is_calm(const Scan *scan, const Row *row)
{
    return scan->calm.counted && row->status != NO_STATUS && row->status < 400 && row->latency_ms < scan->calm.below_ms;
}

static bool ends_request(Span stage)
{
    return (stage.size == 8 && memcmp(stage.text, "response", 8) == 0) ||
           (stage.size == 9 && memcmp(stage.text, "exception", 9) == 0);
}

enum { OWN, TOTAL, UPSTREAM_MEASURE };

static bool count_latency(Scan *scan, uint64_t under, int measure, double ms)
{
    return count(&scan->by_bucket, under | (uint64_t)measure << 10 | bucket_of(ms));
}

/* Count a calm record and keep its id. */
static bool count_calm(Scan *scan, const Row *row, const Codes *codes, uint64_t packed)
{
    Table *ids = &scan->calm_ids;
    bool ending = ends_request(row->text[STAGE]);
    if (!room_for_row(ids) || !put_text(ids, row->text[REQUEST_ID]))
        return false;
    CELL(ids, Q_ENDING, uint8_t) = ending;
    ids->rows++;
    scan->function.entries[codes->function].ends |= ending;
    bool inside = row->has_at ? scan->calm.since_us <= row->at_us && row->at_us < scan->calm.until_us : scan->calm.untimed_too;
    scan->untimed += !row->has_at;
    scan->outside += row->has_at && !inside;
    if (!inside)
        return true;
    if (row->has_at && row->at_us < scan->first_us)
        scan->first_us = row->at_us;
    if (row->has_at && row->at_us > scan->last_us)
        scan->last_us = row->at_us;
    uint64_t kind;
    if (!number_of_key(&scan->kinds, packed, &kind))
        return false;
    uint64_t minute = row->has_at ? (uint64_t)(row->at_us / US_OF_MINUTE) : UNTIMED_MINUTE;
    uint64_t slot = row->has_at ? (uint64_t)(row->at_us / scan->calm.slot_us) : UNTIMED_SLOT;
    uint64_t under = slot << 29 | (uint64_t)ending << 28 | (uint64_t)codes->function << 12;
    bool counted = count(&scan->by_minute, minute << 32 | kind) && count_latency(scan, under, TOTAL, row->latency_ms);
    if (!counted || !row->has_upstream_latency)
        return counted;
    double own_ms = row->latency_ms - row->upstream_latency_ms;
    return count_latency(scan, under, UPSTREAM_MEASURE, row->upstream_latency_ms) &&
           count_latency(scan, under, OWN, own_ms > 0 ? own_ms : 0);
}

static bool write_counts(Scan *scan)
{
    Table *table = &scan->counts;
    for (uint64_t place = 0; place <= scan->by_minute.mask; place++) {
        const Cell *cell = &scan->by_minute.cells[place];
        if (cell->count == 0)
            continue;
        if (!room_for_row(table))
            return false;
        uint64_t key = cell->key, minute = key >> 32;
        Codes codes = unpack(scan->kinds.keys[key & UINT32_MAX]);
        CELL(table, N_MINUTE, int64_t) = minute == UNTIMED_MINUTE ? 0 : (int64_t)minute * US_OF_MINUTE;
        CELL(table, N_FUNCTION, uint32_t) = codes.function;
        CELL(table, N_STAGE, uint32_t) = codes.stage;
        CELL(table, N_ERROR_CODE, uint32_t) = codes.error_code;
        CELL(table, N_UPSTREAM, uint32_t) = codes.upstream;
        CELL(table, N_STATUS, uint32_t) = codes.status;
        CELL(table, N_UPSTREAM_STATUS, uint32_t) = codes.upstream_status;
        CELL(table, N_REQUESTS, int64_t) = cell->count;
        set_valid(table, N_MINUTE, minute != UNTIMED_MINUTE);
        table->rows++;
    }
    return true;
}

static bool write_latencies(Scan *scan)
{
    Table *table = &scan->latencies;
    for (uint64_t place = 0; place <= scan->by_bucket.mask; place++) {
        const Cell *cell = &scan->by_bucket.cells[place];
        if (cell->count == 0)
            continue;
        if (!room_for_row(table))
            return false;
        uint64_t key = cell->key, slot = key >> 29;
        CELL(table, L_SLOT, int64_t) = slot == UNTIMED_SLOT ? 0 : (int64_t)slot * scan->calm.slot_us;
        CELL(table, L_ENDING, uint8_t) = (key >> 28) & 1;
        CELL(table, L_FUNCTION, uint32_t) = (uint32_t)(key >> 12) & 0xFFFF;
        CELL(table, L_MEASURE, uint32_t) = (uint32_t)(key >> 10) & 3;
        CELL(table, L_BUCKET, int32_t) = (int32_t)(key & 0x3FF);
        CELL(table, L_REQUESTS, int64_t) = cell->count;
        set_valid(table, L_SLOT, slot != UNTIMED_SLOT);
        table->rows++;
    }
    return true;
}

static bool take(Scan *scan, const Row *row)
{
    Codes codes;
    uint64_t packed;
    if (!codes_of(scan, row, &codes))
        return false;
    for (int at = 0; at < row->unknown_count; at++) {
        uint32_t name = number_of(&scan->unknown, row->unknown[at], scan->seed);
        if (name == UINT32_MAX)
            return false;
        scan->unknown.entries[name].count++;
    }
    scan->newer += row->version > 1;
    if (is_calm(scan, row) && pack(&codes, &packed))
        return count_calm(scan, row, &codes, packed);
    return keep_record(scan, row, &codes);
}

static bool leave(Scan *scan, int64_t start, int64_t end)
{
    if (scan->left_size == scan->left_room) {
        int64_t room = scan->left_room == 0 ? 64 : 2 * scan->left_room;
        if (!more_room((void **)&scan->left, room, sizeof(Left)))
            return false;
        scan->left_room = room;
    }
    scan->left[scan->left_size++] = (Left){scan->lines, start, end};
    return true;
}

/* -- lines --------------------------------------------------------------------------------------------------------- */

static const uint8_t *skip(const uint8_t *at, const uint8_t *end)
{
    while (at < end && (*at == ' ' || *at == '\t'))
        at++;
    return at;
}

/* Read a key and its colon: which field it is, or UNKNOWN and its name. NULL where it is neither. */
static const uint8_t *key(const uint8_t *at, const uint8_t *end, const uint8_t *limit, int *field, Span *name)
{
    if (at == end || *at != '"')
        return NULL;
    at = plain_text(at + 1, end, limit, name);
    if (at == NULL || name->size == 0)
        return NULL;
    *field = UNKNOWN;
    for (int known = 0; known < FIELD_COUNT; known++) {
        if (name->size == FIELD[known].size && memcmp(name->text, FIELD[known].name, (size_t)name->size) == 0)
            *field = known;
    }
    at = skip(at, end);
    return at < end && *at == ':' ? skip(at + 1, end) : NULL;
}

/*
 * Lines that one program writes are alike between their values: what stood there in the line before is compared at
 * once, and only where it differs is it read.
 */
static const uint8_t *as_before(const Lead *lead, const uint8_t *at, const uint8_t *limit)
{
    uint64_t words[LEAD_WORDS], differ = 0;
    if (limit - at < (ptrdiff_t)sizeof words || lead->size == 0)
        return NULL;
    memcpy(words, at, sizeof words);
    for (int word = 0; word < LEAD_WORDS; word++)
        differ |= (words[word] ^ lead->words[word]) & lead->mask[word];
    return differ == 0 ? at + lead->size : NULL;
}

static void learn(Lead *lead, const uint8_t *start, const uint8_t *at, int field)
{
    size_t size = (size_t)(at - start);
    if (size > sizeof lead->words) {
        lead->size = 0;
        return;
    }
    memset(lead, 0, sizeof *lead);
    memcpy(lead->words, start, size);
    memset(lead->mask, 0xFF, size);
    lead->size = (int)size;
    lead->field = field;
}

static const uint8_t *text_value(const uint8_t *at, const uint8_t *end, const uint8_t *limit, int field, Span *text)
{
    if (at == end || *at != '"')
        return NULL;
    at = plain_text(at + 1, end, limit, text);
    return at != NULL && text->size >= FIELD[field].least && text->size <= FIELD[field].most ? at : NULL;
}

static const uint8_t *instant(Scan *scan, const uint8_t *at, const uint8_t *end, int64_t *us)
{
    if (at < end && *at == '"') {
        at = rfc_3339(at + 1, end, &scan->date, us);
        return at != NULL && at < end && *at == '"' ? at + 1 : NULL;
    }
    uint64_t number;
    at = whole_number(at, end, 15, &number);
    if (at == NULL || number == 0)
        return NULL;
    *us = (int64_t)number * (number < SECONDS_BELOW ? 1000000 : 1000);
    return *us <= MOST_US ? at : NULL;
}

static const uint8_t *upstream_status_value(const uint8_t *at, const uint8_t *end, int16_t *status)
{
    static const char QUOTED[] = "\"timeout\"";
    if (end - at >= 9 && memcmp(at, QUOTED, 9) == 0) {
        *status = TIMEOUT;
        return at + 9;
    }
    return status_code(at, end, status);
}

/* Read the value of one field into the row; NULL where it is not of the narrow grammar. */
static const uint8_t *value(Scan *scan, int field, const uint8_t *at, const uint8_t *end, const uint8_t *limit, Row *row)
{
    uint64_t number = 0;
    bool is_null = end - at >= 4 && *at == 'n' && memcmp(at, "null", 4) == 0;
    switch (field) {
    case REQUEST_ID:
    case FUNCTION:
    case STAGE:
        return text_value(at, end, limit, field, &row->text[field]);
    case ERROR_CODE:
    case UPSTREAM:
        return is_null ? at + 4 : text_value(at, end, limit, field, &row->text[field]);
    case STATUS:
        return is_null ? at + 4 : status_code(at, end, &row->status);
    case UPSTREAM_STATUS:
        return is_null ? at + 4 : upstream_status_value(at, end, &row->upstream_status);
    case LATENCY:
        return milliseconds(at, end, &row->latency_ms);
    case UPSTREAM_LATENCY:
        row->has_upstream_latency = !is_null;
        return is_null ? at + 4 : milliseconds(at, end, &row->upstream_latency_ms);
    case TS:
        if (is_null)
            return at + 4;
        row->has_at = true;
        return instant(scan, at, end, &row->at_us);
    case UPSTREAM_CALLS:
        if (is_null)
            return at + 4;
        at = whole_number(at, end, 7, &number);
        row->has_calls = true;
        row->upstream_calls = (int32_t)number;
        return number <= MOST_CALLS ? at : NULL;
    default: /* VERSION */
        if (is_null)
            return at + 4;
        at = whole_number(at, end, 10, &row->version);
        return row->version >= 1 && row->version <= MOST_VERSION ? at : NULL;
    }
}

static bool note_unknown(Scan *scan, Row *row, Span name)
{
    if (scan->strict || row->unknown_count == MOST_UNKNOWN || scan->unknown.size >= MOST_UNKNOWN_NAMES)
        return false;
    for (int at = 0; at < row->unknown_count; at++) {
        if (same(row->unknown[at], name))
            return false;
    }
    row->unknown[row->unknown_count++] = name;
    return true;
}

/* Read what stands before a value: its field, or UNKNOWN and its name. NULL at the end, or where it is malformed. */
static const uint8_t *lead_in(Scan *scan, int place, const uint8_t *at, const uint8_t *end, const uint8_t *limit,
                              int *field, Span *name)
{
    const uint8_t *start = at;
    Lead *lead = &scan->leads[place];
    const uint8_t *value_at = as_before(lead, at, limit);
    if (value_at != NULL) {
        *field = lead->field;
        return value_at;
    }
    at = skip(at, end);
    if (place > 0 && (at == end || *at++ != ','))
        return NULL;
    at = key(skip(at, end), end, limit, field, name);
    if (at != NULL && *field != UNKNOWN)
        learn(lead, start, at, *field);
    return at;
}

/* Tell whether nothing but the end of the object and white space is left. */
static bool closes(const uint8_t *at, const uint8_t *end)
{
    at = skip(at, end);
    if (at == end || *at++ != '}')
        return false;
    while (at < end && (*at == ' ' || *at == '\t' || *at == '\r'))
        at++;
    return at == end;
}

/* Read the members of an object from behind its brace; false where anything is out of the ordinary. */
static bool object(Scan *scan, const uint8_t *at, const uint8_t *end, const uint8_t *limit, Row *row)
{
    uint32_t seen = 0;
    for (int place = 0; place < MOST_MEMBERS; place++) {
        int field;
        Span name = {NULL, 0};
        const uint8_t *value_at = lead_in(scan, place, at, end, limit, &field, &name);
        if (value_at == NULL)
            return (seen & REQUIRED) == REQUIRED && closes(at, end);
        if (field == UNKNOWN) {
            at = note_unknown(scan, row, name) ? any_scalar(value_at, end, limit) : NULL;
        } else {
            if (seen & (1u << field))
                return false;
            seen |= 1u << field;
            at = value(scan, field, value_at, end, limit, row);
        }
        if (at == NULL)
            return false;
    }
    return false;
}

/* Read the text before the object: a time, a space, and whatever else holds none of `{`, `|` and no odd byte. */
static const uint8_t *prefix(Scan *scan, const uint8_t *at, const uint8_t *end, int64_t *us)
{
    at = rfc_3339(at, end, &scan->date, us);
    if (at == NULL || at == end || *at != ' ')
        return NULL;
    for (; at < end && *at != '{'; at++) {
        if (*at < 0x20 || *at >= 0x7F || *at == '|')
            return NULL;
    }
    return at < end ? at : NULL;
}

static bool line(Scan *scan, const uint8_t *at, const uint8_t *end, const uint8_t *limit)
{
    Row row;
    int64_t prefix_us = 0;
    bool prefixed = at < end && *at != '{';
    row.text[ERROR_CODE] = row.text[UPSTREAM] = (Span){NULL, 0}; /* the other texts are required */
    row.status = row.upstream_status = NO_STATUS;
    row.upstream_latency_ms = 0;
    row.at_us = row.upstream_calls = 0;
    row.version = 0;
    row.has_upstream_latency = row.has_at = row.has_calls = false;
    row.unknown_count = 0;
    if (prefixed)
        at = prefix(scan, at, end, &prefix_us);
    if (at == NULL || at == end || !object(scan, at + 1, end, limit, &row))
        return false;
    if (prefixed && !row.has_at) {
        row.has_at = true;
        row.at_us = prefix_us;
    }
    if (!take(scan, &row)) {
        scan->short_of_memory = true;
        return false;
    }
    return true;
}

static void scan_lines(Scan *scan, const uint8_t *data, int64_t size)
{
    const uint8_t *at = data, *limit = data + size;
    while (at < limit && !scan->short_of_memory) {
        const uint8_t *end = memchr(at, '\n', (size_t)(limit - at));
        if (end == NULL)
            break;
        if (!line(scan, at, end, limit) && !scan->short_of_memory)
            scan->short_of_memory = !leave(scan, at - data, end - data);
        scan->lines++;
        at = end + 1;
    }
    if (!scan->short_of_memory)
        scan->short_of_memory = !write_counts(scan) || !write_latencies(scan);
}

/* -- out through Arrow --------------------------------------------------------------------------------------------- */

static void release_schema(struct ArrowSchema *schema)
{
    for (int64_t child = 0; child < schema->n_children; child++) {
        if (schema->children[child]->release != NULL)
            schema->children[child]->release(schema->children[child]);
        free(schema->children[child]);
    }
    free(schema->children);
    schema->release = NULL;
}

static void release_array(struct ArrowArray *array)
{
    for (int64_t child = 0; child < array->n_children; child++) {
        if (array->children[child]->release != NULL)
            array->children[child]->release(array->children[child]);
        free(array->children[child]);
    }
    for (int64_t buffer = 0; buffer < array->n_buffers; buffer++)
        free((void *)array->buffers[buffer]);
    free(array->buffers);
    free(array->children);
    array->release = NULL;
}

static bool make_schema(const Table *table, struct ArrowSchema *schema)
{
    *schema = (struct ArrowSchema){.format = "+s", .name = "", .release = release_schema};
    schema->children = calloc((size_t)table->column_count, sizeof *schema->children);
    if (schema->children == NULL)
        return false;
    for (int column = 0; column < table->column_count; column++) {
        struct ArrowSchema *child = malloc(sizeof *child);
        if (child == NULL)
            return false;
        *child = (struct ArrowSchema){
            .format = table->columns[column].format,
            .name = table->columns[column].name,
            .flags = table->columns[column].nullable ? ARROW_FLAG_NULLABLE : 0,
            .release = release_schema,
        };
        schema->children[schema->n_children++] = child;
    }
    return true;
}

/* Hand one column over; its memory is the array's from then on. */
static bool move_column(Table *table, int column, struct ArrowArray *array)
{
    bool is_text = table->columns[column].format[0] == 'v';
    *array = (struct ArrowArray){.length = table->rows, .null_count = table->nulls[column], .release = release_array};
    array->buffers = calloc(4, sizeof *array->buffers);
    if (array->buffers == NULL)
        return false;
    array->n_buffers = is_text ? 4 : 2;
    if (table->nulls[column] != 0) {
        array->buffers[0] = table->valid[column];
        table->valid[column] = NULL;
    }
    array->buffers[1] = table->data[column];
    table->data[column] = NULL;
    if (is_text) {
        int64_t *sizes = malloc(sizeof *sizes);
        if (sizes == NULL)
            return false;
        *sizes = table->texts_size;
        array->buffers[2] = table->texts;
        array->buffers[3] = sizes;
        table->texts = NULL;
    }
    return true;
}

static bool make_array(Table *table, struct ArrowArray *array)
{
    *array = (struct ArrowArray){.length = table->rows, .release = release_array};
    array->buffers = calloc(1, sizeof *array->buffers);
    array->children = calloc((size_t)table->column_count, sizeof *array->children);
    if (array->buffers == NULL || array->children == NULL)
        return false;
    array->n_buffers = 1;
    for (int column = 0; column < table->column_count; column++) {
        struct ArrowArray *child = calloc(1, sizeof *child);
        if (child == NULL)
            return false;
        array->children[array->n_children++] = child;
        if (!move_column(table, column, child))
            return false;
    }
    return true;
}

static void destroy_schema(PyObject *capsule)
{
    struct ArrowSchema *schema = PyCapsule_GetPointer(capsule, "arrow_schema");
    if (schema->release != NULL)
        schema->release(schema);
    free(schema);
}

static void destroy_array(PyObject *capsule)
{
    struct ArrowArray *array = PyCapsule_GetPointer(capsule, "arrow_array");
    if (array->release != NULL)
        array->release(array);
    free(array);
}

static PyObject *schema_capsule(const Table *table)
{
    struct ArrowSchema *schema = calloc(1, sizeof *schema);
    if (schema == NULL)
        return PyErr_NoMemory();
    PyObject *capsule =
        make_schema(table, schema) ? PyCapsule_New(schema, "arrow_schema", destroy_schema) : PyErr_NoMemory();
    if (capsule == NULL) {
        release_schema(schema);
        free(schema);
    }
    return capsule;
}

static PyObject *array_capsule(Table *table)
{
    struct ArrowArray *array = calloc(1, sizeof *array);
    if (array == NULL)
        return PyErr_NoMemory();
    PyObject *capsule =
        make_array(table, array) ? PyCapsule_New(array, "arrow_array", destroy_array) : PyErr_NoMemory();
    if (capsule == NULL) {
        release_array(array);
        free(array);
    }
    return capsule;
}

/* Give a table as the pair of capsules that `__arrow_c_array__` returns. */
static PyObject *columns_of(Table *table)
{
    return Py_BuildValue("NN", schema_capsule(table), array_capsule(table));
}

/* -- to Python ----------------------------------------------------------------------------------------------------- */

static PyObject *list_of_names(const Names *names)
{
    PyObject *list = PyList_New(names->size);
    for (uint32_t number = 0; list != NULL && number < names->size; number++) {
        Span span = names->entries[number].span;
        PyObject *name = span.text == NULL ? Py_NewRef(Py_None) : PyUnicode_DecodeASCII((const char *)span.text, span.size, NULL);
        if (name == NULL)
            Py_CLEAR(list);
        else
            PyList_SET_ITEM(list, number, name);
    }
    return list;
}

static PyObject *list_of_statuses(const Statuses *statuses)
{
    PyObject *list = PyList_New(statuses->size);
    for (int16_t number = 0; list != NULL && number < statuses->size; number++) {
        int16_t status = statuses->value[number];
        PyObject *item = status == NO_STATUS ? Py_NewRef(Py_None) : PyLong_FromLong(status);
        if (item == NULL)
            Py_CLEAR(list);
        else
            PyList_SET_ITEM(list, number, item);
    }
    return list;
}

static PyObject *counts_of_names(const Names *names)
{
    PyObject *counts = PyDict_New();
    for (uint32_t number = 0; counts != NULL && number < names->size; number++) {
        const Entry *entry = &names->entries[number];
        PyObject *name = PyUnicode_DecodeASCII((const char *)entry->span.text, entry->span.size, NULL);
        PyObject *count = PyLong_FromLongLong(entry->count);
        if (name == NULL || count == NULL || PyDict_SetItem(counts, name, count) < 0)
            Py_CLEAR(counts);
        Py_XDECREF(name);
        Py_XDECREF(count);
    }
    return counts;
}

static PyObject *list_of_left(const Scan *scan)
{
    PyObject *list = PyList_New(scan->left_size);
    for (int64_t number = 0; list != NULL && number < scan->left_size; number++) {
        const Left *left = &scan->left[number];
        PyObject *item = Py_BuildValue("LLL", left->line, left->start, left->end);
        if (item == NULL)
            Py_CLEAR(list);
        else
            PyList_SET_ITEM(list, number, item);
    }
    return list;
}

static PyObject *list_of_ending(const Names *functions)
{
    PyObject *list = PyList_New(0);
    for (uint32_t number = 0; list != NULL && number < functions->size; number++) {
        const Entry *entry = &functions->entries[number];
        if (!entry->ends)
            continue;
        PyObject *name = PyUnicode_DecodeASCII((const char *)entry->span.text, entry->span.size, NULL);
        if (name == NULL || PyList_Append(list, name) < 0)
            Py_CLEAR(list);
        Py_XDECREF(name);
    }
    return list;
}

static PyObject *calm_of(Scan *scan)
{
    if (!scan->calm.counted)
        return Py_NewRef(Py_None);
    return Py_BuildValue(
        "{s:N,s:N,s:N,s:N,s:L,s:L,s:L,s:L}",
        "ids", columns_of(&scan->calm_ids),
        "counts", columns_of(&scan->counts),
        "latencies", columns_of(&scan->latencies),
        "ending_functions", list_of_ending(&scan->function),
        "untimed", (long long)scan->untimed,
        "outside", (long long)scan->outside,
        "first_us", (long long)scan->first_us,
        "last_us", (long long)scan->last_us);
}

/* Build the answer; where a part could not be made it is NULL, and Py_BuildValue then fails as a whole. */
static PyObject *answer(Scan *scan)
{
    return Py_BuildValue(
        "{s:N,s:{s:N,s:N,s:N,s:N,s:N,s:N},s:N,s:N,s:N,s:L}",
        "records", columns_of(&scan->records),
        "values",
        "function", list_of_names(&scan->function),
        "stage", list_of_names(&scan->stage),
        "error_code", list_of_names(&scan->error_code),
        "upstream", list_of_names(&scan->upstream),
        "status", list_of_statuses(&scan->status),
        "upstream_status", list_of_statuses(&scan->upstream_status),
        "calm", calm_of(scan),
        "left", list_of_left(scan),
        "unknown_fields", counts_of_names(&scan->unknown),
        "newer_versions", (long long)scan->newer);
}

static PyObject *scan_data(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    Py_buffer data;
    unsigned long long seed;
    int strict, counted, untimed_too;
    double below_ms;
    long long since_us, until_us, slot_us;
    if (!PyArg_ParseTuple(arguments, "y*Kp(pdLLpL):scan", &data, &seed, &strict, &counted, &below_ms, &since_us,
                          &until_us, &untimed_too, &slot_us))
        return NULL;
    Calm calm = {counted != 0, below_ms, since_us, until_us, untimed_too != 0, slot_us};
    Scan scan;
    PyObject *result = NULL;
    if (data.len > INT32_MAX || slot_us < LEAST_SLOT_US) {
        PyErr_SetString(PyExc_ValueError, "over 2 GiB at once, or latency slots under ten minutes");
    } else if (!scan_init(&scan, seed, strict != 0, calm)) {
        scan_free(&scan);
        PyErr_NoMemory();
    } else {
        Py_BEGIN_ALLOW_THREADS
        scan_lines(&scan, data.buf, data.len);
        Py_END_ALLOW_THREADS
        result = scan.short_of_memory ? PyErr_NoMemory() : answer(&scan);
        scan_free(&scan);
    }
    PyBuffer_Release(&data);
    return result;
}

/* Blocks of lines are taken and given back for as long as a file lasts. By default each is handed to the system and asked
   for anew, page by page: an eighth of all the time. 32 MiB is as much as the allocator may be told to keep at once. */
static PyObject *keep_memory(PyObject *module, PyObject *wanted)
{
    (void)module;
    const int keep = PyObject_IsTrue(wanted);
    if (keep < 0)
        return NULL;
#if defined(__GLIBC__)
    mallopt(M_MMAP_THRESHOLD, 32 << 20);
    mallopt(M_TRIM_THRESHOLD, keep ? 1 << 30 : 1 << 20);
    if (!keep)
        malloc_trim(0);
#endif
    Py_RETURN_NONE;
}

static PyMethodDef METHODS[] = {
    {"keep_memory", keep_memory, METH_O,
     "keep_memory(wanted)\n--\n\nHave the process keep memory that is given back; see attribute.logs.scanning."},
    {"scan", scan_data, METH_VARARGS,
     "scan(data, seed, strict, calm)\n--\n\nRead whole lines; see attribute.logs.scanning, the only caller."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot SLOTS[] = {{0, NULL}};

static struct PyModuleDef MODULE = {
    PyModuleDef_HEAD_INIT, .m_name = "_scan", .m_size = 0, .m_methods = METHODS, .m_slots = SLOTS,
};

PyMODINIT_FUNC PyInit__scan(void)
{
    return PyModuleDef_Init(&MODULE);
}
