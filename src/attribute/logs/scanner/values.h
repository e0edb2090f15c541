/* What members of an object hold: plain texts, numbers, statuses. */
#ifndef ATTRIBUTE_SCANNER_VALUES_H
#define ATTRIBUTE_SCANNER_VALUES_H

#include "names.h"

#define MOST_TEXT 65536

/* Mark bytes that end or spoil a plain text: quote, backslash, control character, and all that is not ASCII. */
static uint64_t special(uint64_t word)
{
    uint64_t quote = word ^ REPEATED('"');
    uint64_t slash = word ^ REPEATED('\\');
    return ((quote - REPEATED(1)) | (slash - REPEATED(1)) | (word - REPEATED(0x20)) | word) & HIGH;
}

/* Read a text from behind its opening quote; give the place behind the closing one, or NULL. */
static const uint8_t *plain_text(const uint8_t *at, const uint8_t *end, Span *span)
{
    const uint8_t *start = at;
    while (end - at >= 8) {
        int plain = bytes_before(special(word_at(at))); /* no false mark comes before a true one */
        at += plain;
        if (plain < 8)
            break;
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

/* Eight digits, the first one weighing most, each as what it is worth: added up two, four and eight at once. */
static uint64_t worth_of_digits(uint64_t word)
{
    word = (10 * word + (word >> 8)) & 0x00FF00FF00FF00FFu;
    word = (100 * word + (word >> 16)) & 0x0000FFFF0000FFFFu;
    return (10000 * word + (word >> 32)) & 0xFFFFFFFFu;
}

/* Read up to `most` digits without a leading zero (a single 0 is fine); NULL where there are none or more. */
static const uint8_t *whole_number(const uint8_t *at, const uint8_t *end, int most, uint64_t *value)
{
    const uint8_t *start = at;
    uint64_t number = 0;
    if (end - at >= 8) {
        uint64_t word = word_at(at) ^ REPEATED('0'); /* of a digit, what it is worth; of all else, ten or more */
        int digits = bytes_before(over_nine(word));
        if (digits < 8 && digits <= most) {
            number = digits == 0 ? 0 : worth_of_digits(word << (64 - 8 * digits));
            at += digits;
        }
    }
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
#define MOST_PLACES 17

/* Read a number without a sign or an exponent, of few enough digits to be read at once; the double nearest to it. */
static const uint8_t *decimal(const uint8_t *at, const uint8_t *end, int most_whole, double *value)
{
    uint64_t digits;
    const uint8_t *start = at;
    at = whole_number(at, end, most_whole, &digits);
    if (at == NULL)
        return NULL;
    if (at == end || *at != '.') {
        *value = (double)digits;
        return at;
    }
    int most = MOST_DIGITS - (int)(at - start);
    most = most < MOST_PLACES ? most : MOST_PLACES;
    const uint8_t *point = at++;
    while (at < end && is_digit(*at)) {
        if (at - point > most)
            return NULL;
        digits = 10 * digits + (uint64_t)(*at - '0');
        at++;
    }
    int places = (int)(at - point) - 1;
    if (places == 0)
        return NULL;
    *value = nearest(digits, places);
    return at;
}

static const uint8_t *milliseconds(const uint8_t *at, const uint8_t *end, double *value)
{
    at = decimal(at, end, 10, value);
    return at != NULL && *value <= MOST_MS ? at : NULL;
}

static const uint8_t *status_code(const uint8_t *at, const uint8_t *end, int16_t *value)
{
    if (end - at < 3 || at[0] < '1' || at[0] > '5' || !is_digit(at[1]) || !is_digit(at[2]))
        return NULL;
    *value = (int16_t)(100 * (at[0] - '0') + 10 * (at[1] - '0') + (at[2] - '0'));
    return at + 3;
}

/* A number, true, false or null of which nothing is kept. */
static const uint8_t *bare_scalar(const uint8_t *at, const uint8_t *end)
{
    uint64_t number;
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

#endif
