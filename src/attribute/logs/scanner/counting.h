/* Requests by key and latencies by bucket, counted on the spot. */
#ifndef ATTRIBUTE_SCANNER_COUNTING_H
#define ATTRIBUTE_SCANNER_COUNTING_H

#include "tables.h"

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

#define BUCKETS 832 /* the longest latency has bucket 827, so 828 are needed */
#define MEASURES 3
#define MOST_PAGES 256

/* The latencies of one slot, function and ending: neighbours in time are neighbours here. */
typedef struct {
    uint32_t requests[MEASURES][BUCKETS];
} Page;

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
} Place;

typedef struct {
    Place *items;
    int64_t size, room;
} Places;

/* Why lines are rejected: of attribute.m1.decode.RejectReason what is told here. */
enum Reason { NO_REASON, JSON, MISSING_FIELD, TYPE, RANGE, TIME, REASON_COUNT };
static const char *const REASON[REASON_COUNT] = {"", "json", "missing-field", "type", "range", "time"};

typedef struct {
    int64_t line;
    int16_t reason, field; /* the field concerned, or FIELD_COUNT */
} Refusal;

typedef struct {
    Refusal *items;
    int64_t size, room;
} Refusals;

static bool room_for_item(void **items, int64_t size, int64_t *room, size_t width)
{
    if (size < *room)
        return true;
    int64_t wanted = *room == 0 ? 64 : 2 * *room;
    if (!more_room(items, wanted, width))
        return false;
    *room = wanted;
    return true;
}

static bool note(Places *places, Place place)
{
    if (!room_for_item((void **)&places->items, places->size, &places->room, sizeof place))
        return false;
    places->items[places->size++] = place;
    return true;
}

static bool refuse(Refusals *refusals, Refusal refusal)
{
    if (!room_for_item((void **)&refusals->items, refusals->size, &refusals->room, sizeof refusal))
        return false;
    refusals->items[refusals->size++] = refusal;
    return true;
}

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
    Table records, calm_records, counts, latencies;
    Names function, stage, error_code, upstream, unknown;
    Statuses status, upstream_status;
    Numbering kinds;
    Counter by_minute;
    Numbering sheets; /* slots, functions and endings ... */
    Page *pages;      /* ... and the counts of the first of them; those of the others are in `by_bucket` */
    Counter by_bucket;
    int64_t slot, slot_from_us; /* of the time that was asked for last */
    Places left;       /* lines that are not vouched for */
    Refusals refusals; /* lines that are plainly rejected */
    int64_t lines, newer, blank, not_m1;
    int64_t untimed, outside, first_us, last_us; /* of calm records */
    uint64_t seed;
    uint8_t *unwrapped; /* what envelopes carry, each with a newline behind it */
    int64_t unwrapped_size;
    bool strict, short_of_memory;
    Lead leads[MOST_MEMBERS]; /* what stood before each value of the line before */
    Minute minute;
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
    scan->calm_records = TABLE(CALM_COLUMNS);
    scan->counts = TABLE(COUNT_COLUMNS);
    scan->latencies = TABLE(LATENCY_COLUMNS);
    bool ready = names_init(&scan->function);
    ready &= names_init(&scan->stage);
    ready &= names_init(&scan->error_code);
    ready &= names_init(&scan->upstream);
    ready &= names_init(&scan->unknown);
    ready &= numbering_init(&scan->kinds, seed);
    ready &= counter_init(&scan->by_minute, seed);
    ready &= numbering_init(&scan->sheets, seed);
    ready &= counter_init(&scan->by_bucket, seed);
    return ready;
}

static void scan_free(Scan *scan)
{
    table_free(&scan->records);
    table_free(&scan->calm_records);
    table_free(&scan->counts);
    table_free(&scan->latencies);
    free(scan->left.items);
    free(scan->refusals.items);
    free(scan->unwrapped);
    names_free(&scan->function);
    names_free(&scan->stage);
    names_free(&scan->error_code);
    names_free(&scan->upstream);
    names_free(&scan->unknown);
    numbering_free(&scan->kinds);
    counter_free(&scan->by_minute);
    numbering_free(&scan->sheets);
    free(scan->pages);
    counter_free(&scan->by_bucket);
}

static bool keep_record(Scan *scan, const Row *row)
{
    Table *table = &scan->records;
    const Codes *codes = &row->codes;
    if (!room_for_row(table) || !put_text(table, row->request_id))
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

#endif
