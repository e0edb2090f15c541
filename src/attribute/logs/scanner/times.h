/* Times: RFC 3339, and whole numbers of seconds or milliseconds. */
#ifndef ATTRIBUTE_SCANNER_TIMES_H
#define ATTRIBUTE_SCANNER_TIMES_H

#include "values.h"

#define MOST_US 253402300799999999
#define SECONDS_BELOW 100000000000u

typedef struct {
    uint8_t text[10];
    int64_t days;
} Date; /* the one that was read last: mostly the next one too */

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

/* Read RFC 3339 with a zone, a fraction of any length cut to microseconds; NULL where it is none. */
static const uint8_t *rfc_3339(const uint8_t *at, const uint8_t *end, Date *date, int64_t *us)
{
    if (end - at < 20)
        return NULL;
    if (memcmp(at, date->text, 10) != 0) {
        int64_t days = days_of(at);
        if (days < 0)
            return NULL;
        memcpy(date->text, at, 10);
        date->days = days;
    }
    int hour = two_digits(at + 11), minute = two_digits(at + 14), second = two_digits(at + 17);
    bool parted = (at[10] == 'T' || at[10] == 't' || at[10] == ' ') && at[13] == ':' && at[16] == ':';
    if (!parted || hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59)
        return NULL;
    int64_t fraction = 0, seconds = 86400 * date->days + 3600 * hour + 60 * minute + second;
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

#endif
