/* Tables: what leaves, column by column. */
#ifndef ATTRIBUTE_SCANNER_TABLES_H
#define ATTRIBUTE_SCANNER_TABLES_H

#include "rows.h"

#define MOST_COLUMNS 12

typedef struct {
    const char *name, *format; /* as Arrow spells types; `vu` is text */
    size_t width;
    bool nullable;
} Column;

enum { C_REQUEST_ID, C_FUNCTION, C_STAGE, C_ERROR_CODE, C_UPSTREAM, C_STATUS, C_UPSTREAM_STATUS, C_LATENCY,
       C_UPSTREAM_LATENCY, C_AT, C_CALLS, C_LINE, C_END };
static const Column RECORD_COLUMNS[] = {
    {"request_id", "vu", 16, false},
    {"function", "I", 4, false},
    {"stage", "I", 4, false},
    {"error_code", "I", 4, false},
    {"upstream", "I", 4, false},
    {"status", "I", 4, false},
    {"upstream_status", "I", 4, false},
    {"latency_ms", "g", 8, false},
    {"upstream_latency_ms", "g", 8, true},
    {"at", "tsu:UTC", 8, true},
    {"upstream_calls", "i", 4, true},
    {"line", "I", 4, false},
};

enum { Q_HASH, Q_ENDING, Q_END };
static const Column CALM_COLUMNS[] = {
    {"hash", "L", 8, false},
    {"ending", "C", 1, false},
};

enum { N_MINUTE, N_FUNCTION, N_STAGE, N_ERROR_CODE, N_UPSTREAM, N_STATUS, N_UPSTREAM_STATUS, N_REQUESTS, N_END };
static const Column COUNT_COLUMNS[] = {
    {"minute", "tsu:UTC", 8, true},
    {"function", "I", 4, false},
    {"stage", "I", 4, false},
    {"error_code", "I", 4, false},
    {"upstream", "I", 4, false},
    {"status", "I", 4, false},
    {"upstream_status", "I", 4, false},
    {"requests", "l", 8, false},
};

enum { L_SLOT, L_ENDING, L_FUNCTION, L_MEASURE, L_BUCKET, L_REQUESTS, L_END };
static const Column LATENCY_COLUMNS[] = {
    {"slot", "tsu:UTC", 8, true},
    {"ending", "C", 1, false},
    {"function", "I", 4, false},
    {"measure", "I", 4, false},
    {"bucket", "i", 4, false},
    {"requests", "l", 8, false},
};

typedef struct {
    const Column *columns;
    int column_count;
    int64_t rows, room;
    void *data[MOST_COLUMNS];
    uint8_t *valid[MOST_COLUMNS];
    int64_t nulls[MOST_COLUMNS];
    uint8_t *texts; /* texts over twelve bytes, end to end */
    int64_t texts_size, texts_room;
} Table;

static void table_free(Table *table)
{
    for (int column = 0; column < table->column_count; column++) {
        free(table->data[column]);
        free(table->valid[column]);
    }
    free(table->texts);
}

static bool more_room(void **data, int64_t room, size_t width)
{
    void *grown = realloc(*data, (size_t)room * width);
    if (grown == NULL)
        return false;
    *data = grown;
    return true;
}

/* Make room for one more row; its cells are written next, and `rows` is counted up last. */
static bool room_for_row(Table *table)
{
    if (table->rows < table->room)
        return true;
    int64_t room = table->room == 0 ? 1024 : 2 * table->room;
    for (int column = 0; column < table->column_count; column++) {
        if (!more_room(&table->data[column], room, table->columns[column].width))
            return false;
        if (table->columns[column].nullable && !more_room((void **)&table->valid[column], room / 8, 1))
            return false;
    }
    table->room = room;
    return true;
}

#define CELL(table, column, type) (((type *)(table)->data[column])[(table)->rows])

static void set_valid(Table *table, int column, bool valid)
{
    uint8_t *byte = &table->valid[column][table->rows / 8];
    uint8_t bit = (uint8_t)(1u << (table->rows % 8));
    if (table->rows % 8 == 0)
        *byte = 0;
    if (valid)
        *byte |= bit;
    else
        table->nulls[column]++;
}

/* Write a text into column 0 as Arrow's string views have it: short ones in place, long ones by where they lie. */
static bool put_text(Table *table, Span text)
{
    uint8_t *view = (uint8_t *)table->data[0] + 16 * table->rows;
    memset(view, 0, 16);
    memcpy(view, &text.size, 4);
    if (text.size <= 12) {
        memcpy(view + 4, text.text, (size_t)text.size);
        return true;
    }
    if (table->texts_size + text.size > table->texts_room) {
        int64_t room = 2 * (table->texts_room + text.size) + 4096;
        if (!more_room((void **)&table->texts, room, 1))
            return false;
        table->texts_room = room;
    }
    int32_t offset = (int32_t)table->texts_size;
    memcpy(table->texts + offset, text.text, (size_t)text.size);
    memcpy(view + 4, text.text, 4);
    memcpy(view + 12, &offset, 4);
    table->texts_size += text.size;
    return true;
}

#endif
