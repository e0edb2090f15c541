/* Times: RFC 3339, and numbers of seconds or milliseconds. */
#ifndef ATTRIBUTE_SCANNER_TIMES_H
#define ATTRIBUTE_SCANNER_TIMES_H

#include "values.h"

#define MOST_US 253402300799999999
#define SECONDS_BELOW 100000000000u

typedef struct {
    uint8_t text[16]; /* YYYY-MM-DDTHH:MM */
    int64_t seconds;
} Minute; /* the one that was read last: mostly the next one too */

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

/* Read a date, a `T` or the like, hours and minutes; false where they are none. */
static bool read_minute(const uint8_t *at, Minute *minute)
{
    int64_t days = days_of(at);
    int hours = two_digits(at + 11), minutes = two_digits(at + 14);
    bool parted = (at[10] == 'T' || at[10] == 't' || at[10] == ' ') && at[13] == ':';
    if (!parted || days < 0 || hours < 0 || hours > 23 || minutes < 0 || minutes > 59)
        return false;
    memcpy(minute->text, at, sizeof minute->text);
    minute->seconds = 86400 * days + 3600 * hours + 60 * minutes;
    return true;
}

/* Read `:SS.mmmZ`, which most programs write; false where it is something else. */
static bool milliseconds_utc(uint64_t word, int64_t *us)
{
    uint64_t worth = word ^ 0x5A3030302E30303Au;
    uint64_t no_digit = over_nine(worth), other = worth & 0xFF000000FF0000FFu;
    uint64_t tens = worth >> 8 & 0xFF, ones = worth >> 16 & 0xFF;
    uint64_t ms = 100 * (worth >> 32 & 0xFF) + 10 * (worth >> 40 & 0xFF) + (worth >> 48 & 0xFF);
    *us = (int64_t)(1000000 * (10 * tens + ones) + 1000 * ms);
    return (no_digit | other) == 0 && tens <= 5;
}

/* Read RFC 3339 with a zone, a fraction of any length cut to microseconds; NULL where it is none. */
static const uint8_t *rfc_3339(const uint8_t *at, const uint8_t *end, Minute *minute, int64_t *us)
{
    if (end - at < 20)
        return NULL;
    if (!same_bytes(at, minute->text, sizeof minute->text) && !read_minute(at, minute))
        return NULL;
    if (end - at >= 24 && milliseconds_utc(word_at(at + 16), us)) {
        *us += 1000000 * minute->seconds;
        return *us <= MOST_US ? at + 24 : NULL;
    }
    int second = two_digits(at + 17);
    if (at[16] != ':' || second < 0 || second > 59)
        return NULL;
    int64_t fraction = 0, seconds = minute->seconds + second;
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

/* Read a number as seconds where it is small, else as milliseconds, to the nearest microsecond; false: out of bounds. */
static bool since_the_epoch(double number, int64_t *us)
{
    if (number < 1 || number >= 1e15)
        return false;
    unsigned scale = number < SECONDS_BELOW ? 1000000 : 1000;
    int64_t whole = (int64_t)number;
    uint64_t parts = (uint64_t)ldexp(number - (double)whole, 52); /* exact: from 1 on a double has no finer ones */
    unsigned __int128 rest = (unsigned __int128)parts * scale + ((uint64_t)1 << 51);
    *us = whole * scale + (int64_t)(rest >> 52);
    return *us <= MOST_US;
}

#endif
