/* Records that can be of no incident: of these only hashes of the ids leave, and the counts. */
#ifndef ATTRIBUTE_SCANNER_CALM_H
#define ATTRIBUTE_SCANNER_CALM_H

#include "counting.h"
#include "request_hash.h"

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

/* Count a calm record and keep the hash of its id. */
static bool count_calm(Scan *scan, const Row *row, const Codes *codes, uint64_t packed)
{
    Table *calm = &scan->calm_records;
    Span id = row->text[REQUEST_ID];
    bool ending = ends_request(row->text[STAGE]);
    if (!room_for_row(calm))
        return false;
    CELL(calm, Q_HASH, uint64_t) = request_hash(id.text, id.size);
    CELL(calm, Q_ENDING, uint8_t) = ending;
    calm->rows++;
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

#endif
