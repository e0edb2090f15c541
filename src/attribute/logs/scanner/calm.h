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

/* The counts of a slot, function and ending; NULL where there are too many of them. */
static bool page_of(Scan *scan, uint64_t sheet, Page **page)
{
    uint64_t number, known = scan->sheets.places.size;
    if (!number_of_key(&scan->sheets, sheet, &number))
        return false;
    *page = NULL;
    if (number >= MOST_PAGES)
        return true;
    if (number == known) { /* a new one; room is doubled whenever it is full */
        bool is_full = (known & (known - 1)) == 0;
        if (is_full && !more_room((void **)&scan->pages, known == 0 ? 1 : 2 * (int64_t)known, sizeof(Page)))
            return false;
        memset(&scan->pages[number], 0, sizeof(Page));
    }
    *page = &scan->pages[number];
    return true;
}

/* Count a latency under a sheet, on its page where it has one. */
static bool count_latency(Scan *scan, uint64_t sheet, Page *page, int measure, double ms)
{
    uint32_t bucket = bucket_of(ms);
    if (page == NULL)
        return count(&scan->by_bucket, sheet << 12 | (uint64_t)measure << 10 | bucket);
    page->requests[measure][bucket]++;
    return true;
}

static int64_t slot_of(Scan *scan, int64_t us)
{
    if (us < scan->slot_from_us || us - scan->slot_from_us >= scan->calm.slot_us) { /* dividing takes long */
        scan->slot = us / scan->calm.slot_us;
        scan->slot_from_us = scan->slot * scan->calm.slot_us;
    }
    return scan->slot;
}

/* Count a calm record and keep the hash of its id. */
static bool count_calm(Scan *scan, const Row *row, uint64_t packed)
{
    Table *calm = &scan->calm_records;
    const Codes *codes = &row->codes;
    bool ending = ends_request(scan->stage.entries[codes->stage].span);
    if (!room_for_row(calm))
        return false;
    CELL(calm, Q_HASH, uint64_t) = request_hash(row->request_id.text, row->request_id.size);
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
    uint64_t slot = row->has_at ? (uint64_t)slot_of(scan, row->at_us) : UNTIMED_SLOT;
    uint64_t sheet = slot << 17 | (uint64_t)ending << 16 | codes->function;
    Page *page;
    if (!count(&scan->by_minute, minute << 32 | kind) || !page_of(scan, sheet, &page) ||
        !count_latency(scan, sheet, page, TOTAL, row->latency_ms))
        return false;
    if (!row->has_upstream_latency)
        return true;
    double own_ms = row->latency_ms - row->upstream_latency_ms;
    return count_latency(scan, sheet, page, UPSTREAM_MEASURE, row->upstream_latency_ms) &&
           count_latency(scan, sheet, page, OWN, own_ms > 0 ? own_ms : 0);
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

static bool write_latency(Scan *scan, uint64_t sheet, int measure, int bucket, int64_t requests)
{
    Table *table = &scan->latencies;
    uint64_t slot = sheet >> 17;
    if (!room_for_row(table))
        return false;
    CELL(table, L_SLOT, int64_t) = slot == UNTIMED_SLOT ? 0 : (int64_t)slot * scan->calm.slot_us;
    CELL(table, L_ENDING, uint8_t) = (sheet >> 16) & 1;
    CELL(table, L_FUNCTION, uint32_t) = (uint32_t)sheet & 0xFFFF;
    CELL(table, L_MEASURE, uint32_t) = (uint32_t)measure;
    CELL(table, L_BUCKET, int32_t) = bucket;
    CELL(table, L_REQUESTS, int64_t) = requests;
    set_valid(table, L_SLOT, slot != UNTIMED_SLOT);
    table->rows++;
    return true;
}

static bool write_latencies(Scan *scan)
{
    for (uint64_t number = 0; number < scan->sheets.places.size && number < MOST_PAGES; number++) {
        for (int cell = 0; cell < MEASURES * BUCKETS; cell++) {
            int measure = cell / BUCKETS, bucket = cell % BUCKETS;
            uint32_t requests = scan->pages[number].requests[measure][bucket];
            if (requests != 0 && !write_latency(scan, scan->sheets.keys[number], measure, bucket, requests))
                return false;
        }
    }
    for (uint64_t place = 0; place <= scan->by_bucket.mask; place++) {
        const Cell *cell = &scan->by_bucket.cells[place];
        uint64_t key = cell->key;
        if (cell->count != 0 && !write_latency(scan, key >> 12, (int)(key >> 10) & 3, (int)(key & 0x3FF), cell->count))
            return false;
    }
    return true;
}

static bool take(Scan *scan, const Row *row)
{
    uint64_t packed;
    for (int at = 0; at < row->unknown_count; at++) {
        uint32_t name = number_of(&scan->unknown, row->unknown[at], scan->seed);
        if (name == UINT32_MAX)
            return false;
        scan->unknown.entries[name].count++;
    }
    scan->newer += row->version > 1;
    if (is_calm(scan, row) && pack(&row->codes, &packed))
        return count_calm(scan, row, packed);
    return keep_record(scan, row);
}

#endif
