/*
 * Why a line is rejected, where that can be proved in a few steps.
 *
 * An object that claims to be M1 is rejected for the first of its fields, in their order, that breaks its type or bound
 * (attribute.m1.decode). What the scanner does not read of a field may yet be sound: only what is plainly none counts.
 */
#ifndef ATTRIBUTE_SCANNER_REFUSALS_H
#define ATTRIBUTE_SCANNER_REFUSALS_H

#include "lines.h"

/* Tell whether a number is zero, whatever its sign and however it is spelled: of `-0` it depends on the field. */
static bool is_zero(const Member *number)
{
    for (const uint8_t *at = number->value; at < number->end; at++) {
        if (*at >= '1' && *at <= '9')
            return false;
    }
    return true;
}

static enum Reason breach_of_text(int field, const Member *member)
{
    Span text;
    if (*member->value != '"')
        return TYPE;
    bool is_plain = plain_text(member->value + 1, member->end, &text) == member->end;
    return is_plain && (text.size < FIELD[field].least || text.size > FIELD[field].most) ? RANGE : NO_REASON;
}

static enum Reason breach_of_milliseconds(const Member *member)
{
    double too_many;
    if (*member->value == '-')
        return is_zero(member) ? NO_REASON : RANGE;
    return decimal(member->value, member->end, 15, &too_many) == member->end ? RANGE : NO_REASON;
}

static enum Reason breach_of_instant(const Member *member, bool is_number)
{
    Span text;
    double value;
    if (*member->value == '"') { /* of the last hours of 1969 an offset may make the first ones of 1970 */
        bool is_plain = plain_text(member->value + 1, member->end, &text) == member->end;
        return is_plain && (text.size < 4 || memcmp(text.text, "1969", 4) != 0) ? TIME : NO_REASON;
    }
    if (!is_number)
        return TIME;
    if (*member->value == '-')
        return is_zero(member) ? NO_REASON : TIME;
    return decimal(member->value, member->end, 15, &value) == member->end && value >= 1 ? TIME : NO_REASON;
}

/* Say how a value that the scanner does not read breaks its field; NO_REASON where it may yet be sound. */
static enum Reason breach(int field, const Member *member)
{
    bool is_number = *member->value == '-' || is_digit(*member->value);
    bool is_whole = is_number && memchr(member->value, '.', (size_t)(member->end - member->value)) == NULL;
    switch (field) {
    case LATENCY:
    case UPSTREAM_LATENCY:
        return is_number ? breach_of_milliseconds(member) : TYPE;
    case STATUS:
    case UPSTREAM_CALLS:
    case VERSION:
        if (is_number && *member->value == '-' && is_zero(member))
            return NO_REASON;
        return is_whole ? RANGE : TYPE;
    case UPSTREAM_STATUS: /* any text and any whole number says something */
        return is_whole || *member->value == '"' ? NO_REASON : TYPE;
    case TS:
        return breach_of_instant(member, is_number);
    default:
        return breach_of_text(field, member);
    }
}

/* Say why an object that claims to be M1 is rejected, and for which field; NO_REASON where that is not plain. */
static enum Reason why_refused(Scan *scan, const Outside *outside, const uint8_t *end, int *refused)
{
    Row ignored;
    for (int field = 0; field < FIELD_COUNT; field++) {
        const Member *member = member_named(outside, FIELD[field].name);
        enum Reason reason = MISSING_FIELD;
        if (member == NULL && !(REQUIRED & 1u << field))
            continue;
        if (member != NULL) {
            if (value(scan, field, member->value, end, &ignored) == member->end)
                continue;
            reason = breach(field, member);
        }
        *refused = field;
        return reason;
    }
    return NO_REASON;
}

#endif
