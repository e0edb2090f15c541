/* Lines: which are vouched for, and what they say. */
#ifndef ATTRIBUTE_SCANNER_LINES_H
#define ATTRIBUTE_SCANNER_LINES_H

#include "calm.h"
#include "others.h"

static const uint8_t *skip(const uint8_t *at, const uint8_t *end)
{
    while (at < end && (*at == ' ' || *at == '\t'))
        at++;
    return at;
}

/* Read a key and its colon: which field it is, or UNKNOWN and its name. NULL where it is neither. */
static const uint8_t *key(const uint8_t *at, const uint8_t *end, int *field, Span *name)
{
    if (at == end || *at != '"')
        return NULL;
    at = plain_text(at + 1, end, name);
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
static const uint8_t *as_before(const Lead *lead, const uint8_t *at, const uint8_t *end)
{
    uint64_t differ = 0;
    if (end - at < 8 * LEAD_WORDS || lead->size == 0)
        return NULL;
    for (int word = 0; word < LEAD_WORDS; word++)
        differ |= (word_at(at + 8 * word) ^ lead->words[word]) & lead->mask[word];
    return differ == 0 ? at + lead->size : NULL;
}

static void learn(Lead *lead, const uint8_t *start, const uint8_t *at, int field)
{
    size_t size = (size_t)(at - start);
    if (size > sizeof lead->words) {
        lead->size = 0;
        return;
    }
    for (int word = 0; word < LEAD_WORDS; word++) {
        int left = (int)size - 8 * word;
        lead->words[word] = left > 0 ? short_word(start + 8 * word, left) : 0;
        lead->mask[word] = left >= 8 ? UINT64_MAX : left > 0 ? ((uint64_t)1 << 8 * left) - 1 : 0;
    }
    lead->size = (int)size;
    lead->field = field;
}

static const uint8_t *text_value(const uint8_t *at, const uint8_t *end, int field, Span *text)
{
    if (at == end || *at != '"')
        return NULL;
    at = plain_text(at + 1, end, text);
    return at != NULL && text->size >= FIELD[field].least && text->size <= FIELD[field].most ? at : NULL;
}

static bool is_null(const uint8_t *at, const uint8_t *end)
{
    return at < end && *at == 'n' && end - at >= 4 && memcmp(at, "null", 4) == 0;
}

static uint32_t number_of_null(Scan *scan, Names *names)
{
    bool again = names->last < names->size && names->entries[names->last].span.text == NULL;
    return again ? names->last : number_of(names, (Span){NULL, 0}, scan->seed);
}

/* Read a text of which there are few, and give its number; by how it begins it is mostly told which one it is. */
static const uint8_t *name_value(Scan *scan, int field, Names *names, const uint8_t *at, const uint8_t *end,
                                 uint32_t *number)
{
    if (end - at < 9 || *at != '"')
        return NULL;
    uint32_t *guess = guess_of(names, word_at(at + 1));
    if (*guess < names->size) {
        Span known = names->entries[*guess].span;
        if (known.text != NULL && known.size < end - at - 1 && at[known.size + 1] == '"' &&
            same_bytes(at + 1, known.text, known.size)) {
            *number = *guess;
            return at + known.size + 2;
        }
    }
    Span text;
    at = text_value(at, end, field, &text);
    if (at == NULL)
        return NULL;
    *number = *guess = number_of(names, text, scan->seed);
    scan->short_of_memory |= *number == UINT32_MAX;
    return scan->short_of_memory ? NULL : at;
}

static const uint8_t *name_or_null(Scan *scan, int field, Names *names, const uint8_t *at, const uint8_t *end,
                                   uint32_t *number)
{
    if (!is_null(at, end))
        return name_value(scan, field, names, at, end, number);
    *number = number_of_null(scan, names);
    scan->short_of_memory |= *number == UINT32_MAX;
    return scan->short_of_memory ? NULL : at + 4;
}

static const uint8_t *instant(Scan *scan, const uint8_t *at, const uint8_t *end, int64_t *us)
{
    if (at < end && *at == '"') {
        at = rfc_3339(at + 1, end, &scan->minute, us);
        return at != NULL && at < end && *at == '"' ? at + 1 : NULL;
    }
    uint64_t number = 0;
    double fraction;
    const uint8_t *behind = whole_number(at, end, 15, &number);
    if (behind == NULL || behind == end || *behind != '.') { /* mostly */
        *us = (int64_t)number * (number < SECONDS_BELOW ? 1000000 : 1000);
        return behind != NULL && number > 0 && *us <= MOST_US ? behind : NULL;
    }
    at = decimal(at, end, 15, &fraction);
    return at != NULL && since_the_epoch(fraction, us) ? at : NULL;
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
static const uint8_t *value(Scan *scan, int field, const uint8_t *at, const uint8_t *end, Row *row)
{
    uint64_t number = 0;
    switch (field) {
    case REQUEST_ID:
        return text_value(at, end, field, &row->request_id);
    case FUNCTION:
        return name_value(scan, field, &scan->function, at, end, &row->codes.function);
    case STAGE:
        return name_value(scan, field, &scan->stage, at, end, &row->codes.stage);
    case ERROR_CODE:
        return name_or_null(scan, field, &scan->error_code, at, end, &row->codes.error_code);
    case UPSTREAM:
        row->has_upstream = true;
        return name_or_null(scan, field, &scan->upstream, at, end, &row->codes.upstream);
    case STATUS:
        return is_null(at, end) ? at + 4 : status_code(at, end, &row->status);
    case UPSTREAM_STATUS:
        return is_null(at, end) ? at + 4 : upstream_status_value(at, end, &row->upstream_status);
    case LATENCY:
        return milliseconds(at, end, &row->latency_ms);
    case UPSTREAM_LATENCY:
        row->has_upstream_latency = !is_null(at, end);
        return row->has_upstream_latency ? milliseconds(at, end, &row->upstream_latency_ms) : at + 4;
    case TS:
        if (is_null(at, end))
            return at + 4;
        row->has_at = true;
        return instant(scan, at, end, &row->at_us);
    case UPSTREAM_CALLS:
        if (is_null(at, end))
            return at + 4;
        at = whole_number(at, end, 7, &number);
        row->has_calls = true;
        row->upstream_calls = (int32_t)number;
        return number <= MOST_CALLS ? at : NULL;
    default: /* VERSION */
        if (is_null(at, end))
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
static const uint8_t *lead_in(Scan *scan, int place, const uint8_t *at, const uint8_t *end,
                              int *field, Span *name)
{
    const uint8_t *start = at;
    Lead *lead = &scan->leads[place];
    const uint8_t *value_at = as_before(lead, at, end);
    if (value_at != NULL) {
        *field = lead->field;
        return value_at;
    }
    at = skip(at, end);
    if (place > 0 && (at == end || *at++ != ','))
        return NULL;
    at = key(skip(at, end), end, field, name);
    if (at != NULL && *field != UNKNOWN)
        learn(lead, start, at, *field);
    return at;
}

/* Give the newline behind the object where nothing but its end and white space is left, or NULL. */
static const uint8_t *closes(const uint8_t *at, const uint8_t *end)
{
    at = skip(at, end);
    if (at == end || *at++ != '}')
        return NULL;
    at = skip_blanks(at, end);
    return at < end && *at == '\n' ? at : NULL;
}

/* Read an object from behind its brace, and give its newline; NULL where anything is out of the ordinary. */
static const uint8_t *object(Scan *scan, const uint8_t *at, const uint8_t *end, Row *row)
{
    uint32_t seen = 0;
    for (int place = 0; place < MOST_MEMBERS; place++) {
        int field;
        Span name = {NULL, 0};
        const uint8_t *value_at = lead_in(scan, place, at, end, &field, &name);
        if (value_at == NULL)
            return (seen & REQUIRED) == REQUIRED ? closes(at, end) : NULL;
        if (field == UNKNOWN) {
            at = note_unknown(scan, row, name) ? json_value(value_at, end, 1) : NULL;
        } else {
            if (seen & (1u << field))
                return NULL;
            seen |= 1u << field;
            at = value(scan, field, value_at, end, row);
        }
        if (at == NULL)
            return NULL;
    }
    return NULL;
}

/* Read the text before the object: a time, a space, and whatever else holds none of `{`, `|` and no odd byte. */
static const uint8_t *prefix(Scan *scan, const uint8_t *at, const uint8_t *end, int64_t *us)
{
    at = rfc_3339(at, end, &scan->minute, us);
    if (at == NULL || at == end || *at != ' ')
        return NULL;
    for (; at < end && *at != '{'; at++) {
        if (*at < 0x20 || *at >= 0x7F || *at == '|')
            return NULL;
    }
    return at < end ? at : NULL;
}

/* Read a record from its brace on, and give its newline; NULL where it is not vouched for. */
static const uint8_t *read_record(Scan *scan, const uint8_t *brace, const uint8_t *end, Row *row)
{
    row->status = row->upstream_status = NO_STATUS;
    row->upstream_latency_ms = 0;
    row->at_us = row->upstream_calls = 0;
    row->version = 0;
    row->has_upstream_latency = row->has_at = row->has_calls = row->has_upstream = false;
    row->unknown_count = 0;
    return object(scan, brace + 1, end, row);
}

/* Take a record; one without a time has the one that stood before it, where *said_us* is one. False: memory is short. */
static bool take_record(Scan *scan, Row *row, const int64_t *said_us)
{
    if (!row->has_at && said_us != NULL) {
        row->has_at = true;
        row->at_us = *said_us;
    }
    if (!row->has_upstream)
        row->codes.upstream = number_of_null(scan, &scan->upstream);
    row->codes.status = status_number(&scan->status, row->status);
    row->codes.upstream_status = status_number(&scan->upstream_status, row->upstream_status);
    bool is_taken = row->codes.upstream != UINT32_MAX && take(scan, row);
    scan->short_of_memory |= !is_taken;
    return is_taken;
}

/* Read a line, and give its newline; NULL where it is not vouched for. */
static const uint8_t *line(Scan *scan, const uint8_t *at, const uint8_t *end)
{
    Row row;
    int64_t prefix_us;
    bool prefixed = *at != '{';
    const uint8_t *brace = prefixed ? prefix(scan, at, end, &prefix_us) : at;
    const uint8_t *newline = brace == NULL ? NULL : read_record(scan, brace, end, &row);
    return newline != NULL && take_record(scan, &row, prefixed ? &prefix_us : NULL) ? newline : NULL;
}

#endif
