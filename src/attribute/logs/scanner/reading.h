/* All lines of a block: records, records in the text or object that an envelope carries, rejects, and all other lines. */
#ifndef ATTRIBUTE_SCANNER_READING_H
#define ATTRIBUTE_SCANNER_READING_H

#include "refusals.h"

/* Tell whether something like a date stands in a text before an object, which may be the time of a record without one. */
static bool says_a_date(const uint8_t *at, const uint8_t *end)
{
    static const char FORM[] = "dddd-dd-dd";
    for (; end - at >= 10; at++) {
        int alike = 0;
        while (alike < 10 && (FORM[alike] == '-' ? at[alike] == '-' : is_digit(at[alike])))
            alike++;
        if (alike == 10)
            return true;
    }
    return false;
}

/* What stands around a record says of its time: nothing, this time, or what takes more to be read. */
typedef struct {
    enum { NO_TIME, A_TIME, UNCLEAR } kind;
    int64_t us;
} Said;

/* Take the record whose object stands in a text that ends with *newline*; false where it is not vouched for. */
static bool read_claimed(Scan *scan, const uint8_t *at, const uint8_t *brace, const uint8_t *newline, Said said)
{
    Row row;
    if (read_record(scan, brace, newline + 1, &row) != newline)
        return false;
    if (!row.has_at && (said.kind == UNCLEAR || says_a_date(at, brace)))
        return false;
    return take_record(scan, &row, said.kind == A_TIME ? &said.us : NULL);
}

/* Read the time of an envelope: under the first key for it that it has, or before it. */
static Said envelope_time(Scan *scan, const uint8_t *at, const Outside *outside)
{
    Said said = {NO_TIME, 0};
    const Member *member = NULL;
    for (int name = 0; name < TIME_KEY_COUNT && member == NULL; name++)
        member = member_named(outside, TIME_KEYS[name]);
    if (member != NULL)
        said.kind = instant(scan, member->value, member->end, &said.us) == member->end ? A_TIME : UNCLEAR;
    else
        said.kind = says_a_date(at, outside->brace) ? UNCLEAR : NO_TIME;
    return said;
}

static bool repeats_a_key(const Outside *outside)
{
    for (int number = 1; number < outside->count; number++) {
        for (int before = 0; before < number; before++) {
            if (same(outside->members[number].key, outside->members[before].key))
                return true;
        }
    }
    return false;
}

static enum Other reject(Scan *scan, enum Reason reason, int field)
{
    scan->short_of_memory |= !refuse(&scan->refusals, (Refusal){scan->lines, (int16_t)reason, (int16_t)field});
    return REJECTED;
}

/* Take or reject what claims to be a record, in a text that ends with *newline*; UNTOLD where it is not vouched for. */
static enum Other claimed(Scan *scan, const uint8_t *at, const Outside *outside, const uint8_t *newline, Said said)
{
    int field;
    if (read_claimed(scan, at, outside->brace, newline, said))
        return CLAIMED;
    if (repeats_a_key(outside))
        return UNTOLD;
    enum Reason reason = why_refused(scan, outside, newline + 1, &field);
    return reason == NO_REASON || scan->short_of_memory ? UNTOLD : reject(scan, reason, field);
}

/* Write what an envelope carries where it stays as long as the block, and a newline behind it; false where it is odd. */
static bool unwrap(Scan *scan, const Member *payload, int64_t block_size, Span *text)
{
    if (scan->unwrapped == NULL) /* each takes less room than its line does */
        scan->unwrapped = malloc((size_t)block_size);
    if (scan->unwrapped == NULL) {
        scan->short_of_memory = true;
        return false;
    }
    bool is_text = *payload->value == '"';
    const uint8_t *at = payload->value + is_text, *end = payload->end - is_text;
    uint8_t *start = scan->unwrapped + scan->unwrapped_size, *to = start;
    while (at < end) {
        int character = *at;
        if (is_text && character == '\\') {
            at = escape(at, end, &character);
            if (character >= 0x80)
                return false;
        } else {
            at++;
        }
        *to++ = (uint8_t)character;
    }
    while (to > start && (to[-1] == '\n' || skip_blanks(to - 1, to) == to))
        to--;
    *text = (Span){start, (int32_t)(to - start)};
    *to++ = '\n';
    scan->unwrapped_size += to - start;
    return true;
}

static bool names_a_request(const uint8_t *at, const uint8_t *end)
{
    static const char NAME[] = "\"request_id\"";
    for (; end - at >= (int)sizeof NAME - 1; at++) {
        if (memcmp(at, NAME, sizeof NAME - 1) == 0)
            return true;
    }
    return false;
}

/* Take or reject the record that the envelope in a line carries, or say that it carries none; else it is UNTOLD. */
static enum Other enveloped(Scan *scan, const uint8_t *at, const Outside *outside, int64_t block_size)
{
    Span text;
    if (repeats_a_key(outside) || !unwrap(scan, outside->payload, block_size, &text))
        return UNTOLD;
    if (memchr(text.text, '\n', (size_t)text.size) != NULL) /* no line holds one, and white space of JSON may */
        return UNTOLD;
    Outside within;
    const uint8_t *end = text.text + text.size;
    enum Other kind = other(&within, text.text, end);
    if (kind == CLAIMED)
        return claimed(scan, text.text, &within, end, envelope_time(scan, at, outside));
    if (kind == NO_JSON && names_a_request(within.brace, end))
        return NO_JSON;
    return kind == BLANK || kind == NOT_M1 || kind == NO_JSON ? NOT_M1 : UNTOLD;
}

/* Put a line that is no record by itself where it belongs; false where memory is short. */
static bool put_line(Scan *scan, const uint8_t *data, int64_t size, const uint8_t *at, const uint8_t *newline)
{
    Outside outside;
    enum Other kind = other(&outside, at, newline);
    if (kind == CLAIMED)
        kind = claimed(scan, at, &outside, newline, (Said){NO_TIME, 0});
    if (kind == ENVELOPE)
        kind = enveloped(scan, at, &outside, size);
    if (kind == NO_JSON)
        kind = reject(scan, JSON, FIELD_COUNT);
    scan->blank += kind == BLANK;
    scan->not_m1 += kind == NOT_M1;
    if (scan->short_of_memory || kind != UNTOLD)
        return !scan->short_of_memory;
    return note(&scan->left, (Place){scan->lines, at - data, newline - data});
}

/* Nothing in a line that is vouched for holds a newline: the end is looked for in the others alone. */
static void scan_lines(Scan *scan, const uint8_t *data, int64_t size)
{
    const uint8_t *at = data, *end = data + size;
    while (at < end) {
        const uint8_t *newline = line(scan, at, end);
        if (newline == NULL) {
            newline = memchr(at, '\n', (size_t)(end - at));
            if (newline == NULL || scan->short_of_memory)
                break;
            scan->short_of_memory = !put_line(scan, data, size, at, newline);
        }
        scan->lines++;
        at = newline + 1;
    }
    if (!scan->short_of_memory)
        scan->short_of_memory = !write_counts(scan) || !write_latencies(scan);
}

#endif
