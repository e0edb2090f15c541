/* What one line says, while it is read. */
#ifndef ATTRIBUTE_SCANNER_ROWS_H
#define ATTRIBUTE_SCANNER_ROWS_H

#include "times.h"

enum { REQUEST_ID, FUNCTION, STAGE, STATUS, LATENCY, ERROR_CODE, UPSTREAM_STATUS, UPSTREAM_LATENCY, TS, UPSTREAM,
       UPSTREAM_CALLS, VERSION, FIELD_COUNT, UNKNOWN };

static const struct {
    const char *name;
    int size;
    int least, most; /* characters of a text */
} FIELD[FIELD_COUNT] = {
    {"request_id", 10, 1, 128},
    {"function", 8, 1, 128},
    {"stage", 5, 1, 64},
    {"status", 6, 0, 0},
    {"latency_ms", 10, 0, 0},
    {"error_code", 10, 0, 128},
    {"upstream_status", 15, 0, 0},
    {"upstream_latency_ms", 19, 0, 0},
    {"ts", 2, 0, 0},
    {"upstream", 8, 0, 64},
    {"upstream_calls", 14, 0, 0},
    {"v", 1, 0, 0},
};
#define REQUIRED 0xFFu /* the first eight */
#define MOST_CALLS 1000000u
#define MOST_VERSION 2147483647u
#define TIMEOUT 0       /* attribute.m1.fields.UPSTREAM_TIMEOUT */
#define NO_STATUS (-1)  /* here only: null */

#define MOST_MEMBERS 64
#define MOST_UNKNOWN 16
#define MOST_UNKNOWN_NAMES 4096

/* What a record's columns with few different values hold, as numbers. */
typedef struct {
    uint32_t function, stage, error_code, upstream, status, upstream_status;
} Codes;

typedef struct {
    Span request_id;
    Codes codes;
    int16_t status, upstream_status;
    double latency_ms, upstream_latency_ms;
    int64_t at_us;
    int32_t upstream_calls;
    uint64_t version;
    bool has_upstream_latency, has_at, has_calls, has_upstream;
    Span unknown[MOST_UNKNOWN];
    int unknown_count;
} Row;

#endif
