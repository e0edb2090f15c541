/* Lines: which are vouched for, and what they say. */
#ifndef ATTRIBUTE_SCANNER_LINES_H
#define ATTRIBUTE_SCANNER_LINES_H

#include "calm.h"

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

#endif
