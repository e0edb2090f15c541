/* All lines of a block: records, records in the text or object that an envelope carries, and lines that hold none. */
#ifndef ATTRIBUTE_SCANNER_READING_H
#define ATTRIBUTE_SCANNER_READING_H

#include "lines.h"

/* Give the time that an envelope says, where it says one; false where it takes more to read it. */
static bool envelope_time(Scan *scan, const Outside *outside, int64_t *us, bool *is_said)
{
    *is_said = false;
    for (int name = 0; name < TIME_KEY_COUNT && !*is_said; name++) {
        for (int number = 0; number < outside->count; number++) {
            const Member *member = &outside->members[number];
            if (!is_named(member->key, TIME_KEYS[name]))
                continue;
            if (instant(scan, member->value, member->end, us) != member->end)
                return false;
            *is_said = true;
        }
    }
    return true;
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
            if (character == 0 || character >= 0x80)
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

/* Read the record that an envelope carries, or say that it carries none; else its line is UNTOLD. */
static enum Other enveloped(Scan *scan, const Outside *outside, int64_t block_size)
{
    Span text;
    int64_t us;
    bool is_said;
    if (outside->is_behind_text || repeats_a_key(outside) || !envelope_time(scan, outside, &us, &is_said) ||
        !unwrap(scan, outside->payload, block_size, &text) || text.size == 0)
        return UNTOLD;
    if (memchr(text.text, '\n', (size_t)text.size) != NULL) /* no line holds one, and white space of JSON may */
        return UNTOLD;
    const uint8_t *end = text.text + text.size;
    if (line(scan, text.text, end + 1, is_said ? &us : NULL) != NULL)
        return ENVELOPE;
    Outside within;
    enum Other kind = other(&within, text.text, end);
    return kind == BLANK || kind == NOT_M1 ? NOT_M1 : UNTOLD;
}

/* Put a line that is no record by itself where it belongs; false where memory is short. */
static bool sort(Scan *scan, const uint8_t *data, int64_t size, const uint8_t *at, const uint8_t *newline)
{
    Outside outside;
    enum Other kind = other(&outside, at, newline);
    if (kind == ENVELOPE) {
        kind = enveloped(scan, &outside, size);
        if (kind == ENVELOPE || scan->short_of_memory)
            return !scan->short_of_memory;
    }
    scan->blank += kind == BLANK;
    scan->not_m1 += kind == NOT_M1;
    if (kind == BLANK || kind == NOT_M1)
        return true;
    return note(kind == NO_JSON ? &scan->no_json : &scan->left, (Place){scan->lines, at - data, newline - data});
}

/* Nothing in a line that is vouched for holds a newline: the end is looked for in the others alone. */
static void scan_lines(Scan *scan, const uint8_t *data, int64_t size)
{
    const uint8_t *at = data, *end = data + size;
    while (at < end) {
        const uint8_t *newline = line(scan, at, end, NULL);
        if (newline == NULL) {
            newline = memchr(at, '\n', (size_t)(end - at));
            if (newline == NULL || scan->short_of_memory)
                break;
            scan->short_of_memory = !sort(scan, data, size, at, newline);
        }
        scan->lines++;
        at = newline + 1;
    }
    if (!scan->short_of_memory)
        scan->short_of_memory = !write_counts(scan) || !write_latencies(scan);
}

#endif
