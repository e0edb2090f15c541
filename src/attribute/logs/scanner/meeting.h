/* Hashes of requests: made of ids, and looked for among very many others. */
#ifndef ATTRIBUTE_SCANNER_MEETING_H
#define ATTRIBUTE_SCANNER_MEETING_H

#include "out.h"

static const Column HASH_COLUMNS[] = {{"hash", "L", 8, false}};
static const Column ROW_COLUMNS[] = {{"row", "I", 4, false}};

typedef bool (*Visit)(const struct ArrowArray *array, void *state); /* false: no memory */

/* Have every array of a stream of one column visited, without the interpreter; false where an exception is set. */
static bool each_array(PyObject *capsule, const char *format, Visit visit, void *state)
{
    struct ArrowArrayStream *stream = PyCapsule_GetPointer(capsule, "arrow_array_stream");
    if (stream == NULL)
        return false;
    struct ArrowSchema schema;
    if (stream->get_schema(stream, &schema) != 0) {
        PyErr_SetString(PyExc_ValueError, "a stream without a schema");
        return false;
    }
    bool fits = strcmp(schema.format, format) == 0, visited = true;
    schema.release(&schema);
    if (!fits) {
        PyErr_Format(PyExc_TypeError, "a column of another type than `%s`", format);
        return false;
    }
    int failed = 0;
    Py_BEGIN_ALLOW_THREADS
    while (visited) {
        struct ArrowArray array;
        failed = stream->get_next(stream, &array);
        if (failed != 0 || array.release == NULL)
            break;
        visited = visit(&array, state);
        array.release(&array);
    }
    Py_END_ALLOW_THREADS
    if (failed != 0)
        PyErr_SetString(PyExc_ValueError, "a stream that broke off");
    else if (!visited)
        PyErr_NoMemory();
    return failed == 0 && visited;
}

static bool hash_array(const struct ArrowArray *array, void *state)
{
    Table *hashes = state;
    const uint8_t *views = array->buffers[1];
    for (int64_t row = array->offset; row < array->offset + array->length; row++) {
        const uint8_t *view = views + 16 * row, *text = view + 4;
        int32_t size, buffer, offset;
        memcpy(&size, view, 4);
        if (size > 12) {
            memcpy(&buffer, view + 8, 4);
            memcpy(&offset, view + 12, 4);
            text = (const uint8_t *)array->buffers[2 + buffer] + offset;
        }
        if (!room_for_row(hashes))
            return false;
        CELL(hashes, 0, uint64_t) = request_hash(text, size);
        hashes->rows++;
    }
    return true;
}

/*
 * A filter: a word for every four hashes or so, three bits of it set for each. What it lets through may be wanted, and what
 * it does not let through never is. Larger ones let less through and are asked slower: their words are further away.
 */
#define AHEAD 16 /* so many rows ahead a word is asked for: it lies far away */

typedef struct {
    uint64_t *words, mask;
} Filter;

static uint64_t bits_of(uint64_t hash)
{
    return (uint64_t)1 << (hash >> 58) | (uint64_t)1 << ((hash >> 52) & 63) | (uint64_t)1 << ((hash >> 46) & 63);
}

static bool add_to_filter(const struct ArrowArray *array, void *state)
{
    const Filter *filter = state;
    const uint64_t *hashes = (const uint64_t *)array->buffers[1] + array->offset;
    for (int64_t row = 0; row < array->length; row++)
        filter->words[hashes[row] & filter->mask] |= bits_of(hashes[row]);
    return true;
}

typedef struct {
    Filter filter;
    Table rows;
    int64_t before; /* rows of the arrays that were visited */
} Looking;

static bool look_through(const struct ArrowArray *array, void *state)
{
    Looking *looking = state;
    const uint64_t *hashes = (const uint64_t *)array->buffers[1] + array->offset;
    for (int64_t row = 0; row < array->length; row++) {
        if (row + AHEAD < array->length)
            __builtin_prefetch(&looking->filter.words[hashes[row + AHEAD] & looking->filter.mask]);
        uint64_t bits = bits_of(hashes[row]);
        if ((looking->filter.words[hashes[row] & looking->filter.mask] & bits) != bits)
            continue;
        if (!room_for_row(&looking->rows))
            return false;
        CELL(&looking->rows, 0, uint32_t) = (uint32_t)(looking->before + row);
        looking->rows.rows++;
    }
    looking->before += array->length;
    return true;
}

static PyObject *hash_texts(PyObject *Py_UNUSED(module), PyObject *stream)
{
    Table hashes = TABLE(HASH_COLUMNS);
    PyObject *result = each_array(stream, "vu", hash_array, &hashes) ? columns_of(&hashes) : NULL;
    table_free(&hashes);
    return result;
}

static PyObject *filter_of(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    PyObject *stream;
    long long count;
    if (!PyArg_ParseTuple(arguments, "OL:filter_of", &stream, &count))
        return NULL;
    uint64_t words = 1024;
    while (words < (uint64_t)1 << 40 && (long long)words < count / 4)
        words *= 2;
    PyObject *result = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(8 * words));
    if (result == NULL)
        return NULL;
    Filter filter = {(uint64_t *)PyBytes_AS_STRING(result), words - 1};
    memset(filter.words, 0, 8 * words);
    if (!each_array(stream, "L", add_to_filter, &filter))
        Py_CLEAR(result);
    return result;
}

static PyObject *rows_in(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    PyObject *stream;
    Py_buffer filter;
    if (!PyArg_ParseTuple(arguments, "y*O:rows_in", &filter, &stream))
        return NULL;
    Looking looking = {.filter = {filter.buf, (uint64_t)filter.len / 8 - 1}, .rows = TABLE(ROW_COLUMNS)};
    PyObject *result = NULL;
    if (filter.len < 8 || (filter.len & (filter.len - 1)) != 0)
        PyErr_SetString(PyExc_ValueError, "not a filter");
    else if (each_array(stream, "L", look_through, &looking))
        result = columns_of(&looking.rows);
    table_free(&looking.rows);
    PyBuffer_Release(&filter);
    return result;
}

#endif
