/*
 * Lines of M1 objects to columns, in one pass without the interpreter.
 *
 * `scan` vouches for a record only where it can prove what it says: an object by itself, behind some text or in one JSON
 * envelope, whose fields are scalars of a narrow grammar (ASCII, no escapes, no exponents, no key twice, every required
 * field there and within its bounds); what stands under other keys is only passed over. Of all other lines it tells
 * what is plain: those without a record, and why one is rejected. Every other line is handed back by its place and belongs on the exact path. The bounds are those
 * of `attribute.m1.fields`; a test holds the two together.
 *
 * Records that can be of no incident, whatever the rules say (a status under 400, and sooner than anything is slow), are
 * counted on the spot where the caller asks for it: of these only hashes of the ids leave, and the counts.
 *
 * The columns leave through the Arrow C data interface (https://arrow.apache.org/docs/format/CDataInterface.html),
 * so that nothing is copied on the way to polars.
 */
#include "meeting.h"

#if defined(__GLIBC__)
#include <malloc.h>
#endif

static PyObject *list_of_names(const Names *names)
{
    PyObject *list = PyList_New(names->size);
    for (uint32_t number = 0; list != NULL && number < names->size; number++) {
        Span span = names->entries[number].span;
        PyObject *name = span.text == NULL ? Py_NewRef(Py_None) : PyUnicode_DecodeASCII((const char *)span.text, span.size, NULL);
        if (name == NULL)
            Py_CLEAR(list);
        else
            PyList_SET_ITEM(list, number, name);
    }
    return list;
}

static PyObject *list_of_statuses(const Statuses *statuses)
{
    PyObject *list = PyList_New(statuses->size);
    for (int16_t number = 0; list != NULL && number < statuses->size; number++) {
        int16_t status = statuses->value[number];
        PyObject *item = status == NO_STATUS ? Py_NewRef(Py_None) : PyLong_FromLong(status);
        if (item == NULL)
            Py_CLEAR(list);
        else
            PyList_SET_ITEM(list, number, item);
    }
    return list;
}

/* Give the list of the lines that are rejected for a reason and a field, made where there is none yet; borrowed. */
static PyObject *list_for(PyObject *lists, const Refusal *refusal)
{
    const char *detail = refusal->field == FIELD_COUNT ? "" : FIELD[refusal->field].name;
    PyObject *key = Py_BuildValue("ss", REASON[refusal->reason], detail), *fresh = PyList_New(0), *list = NULL;
    if (key != NULL && fresh != NULL)
        list = PyDict_SetDefault(lists, key, fresh);
    Py_XDECREF(key);
    Py_XDECREF(fresh);
    return list;
}

static PyObject *lists_of_refusals(const Refusals *refusals)
{
    PyObject *lists = PyDict_New(), *known[REASON_COUNT][FIELD_COUNT + 1] = {{NULL}};
    for (int64_t number = 0; lists != NULL && number < refusals->size; number++) {
        const Refusal *refusal = &refusals->items[number];
        PyObject **list = &known[refusal->reason][refusal->field];
        if (*list == NULL)
            *list = list_for(lists, refusal);
        PyObject *line = PyLong_FromLongLong(refusal->line);
        if (*list == NULL || line == NULL || PyList_Append(*list, line) < 0)
            Py_CLEAR(lists);
        Py_XDECREF(line);
    }
    return lists;
}

static PyObject *counts_of_names(const Names *names)
{
    PyObject *counts = PyDict_New();
    for (uint32_t number = 0; counts != NULL && number < names->size; number++) {
        const Entry *entry = &names->entries[number];
        PyObject *name = PyUnicode_DecodeASCII((const char *)entry->span.text, entry->span.size, NULL);
        PyObject *count = PyLong_FromLongLong(entry->count);
        if (name == NULL || count == NULL || PyDict_SetItem(counts, name, count) < 0)
            Py_CLEAR(counts);
        Py_XDECREF(name);
        Py_XDECREF(count);
    }
    return counts;
}

static PyObject *list_of_places(const Places *places)
{
    PyObject *list = PyList_New(places->size);
    for (int64_t number = 0; list != NULL && number < places->size; number++) {
        const Place *place = &places->items[number];
        PyObject *item = Py_BuildValue("LLL", place->line, place->start, place->end);
        if (item == NULL)
            Py_CLEAR(list);
        else
            PyList_SET_ITEM(list, number, item);
    }
    return list;
}

static PyObject *list_of_ending(const Names *functions)
{
    PyObject *list = PyList_New(0);
    for (uint32_t number = 0; list != NULL && number < functions->size; number++) {
        const Entry *entry = &functions->entries[number];
        if (!entry->ends)
            continue;
        PyObject *name = PyUnicode_DecodeASCII((const char *)entry->span.text, entry->span.size, NULL);
        if (name == NULL || PyList_Append(list, name) < 0)
            Py_CLEAR(list);
        Py_XDECREF(name);
    }
    return list;
}

static PyObject *calm_of(Scan *scan)
{
    if (!scan->calm.counted)
        return Py_NewRef(Py_None);
    return Py_BuildValue(
        "{s:N,s:N,s:N,s:N,s:L,s:L,s:L,s:L}",
        "records", columns_of(&scan->calm_records),
        "counts", columns_of(&scan->counts),
        "latencies", columns_of(&scan->latencies),
        "ending_functions", list_of_ending(&scan->function),
        "untimed", (long long)scan->untimed,
        "outside", (long long)scan->outside,
        "first_us", (long long)scan->first_us,
        "last_us", (long long)scan->last_us);
}

/* Build the answer; where a part could not be made it is NULL, and Py_BuildValue then fails as a whole. */
static PyObject *answer(Scan *scan)
{
    return Py_BuildValue(
        "{s:N,s:{s:N,s:N,s:N,s:N,s:N,s:N},s:N,s:L,s:L,s:N,s:N,s:N,s:L}",
        "records", columns_of(&scan->records),
        "values",
        "function", list_of_names(&scan->function),
        "stage", list_of_names(&scan->stage),
        "error_code", list_of_names(&scan->error_code),
        "upstream", list_of_names(&scan->upstream),
        "status", list_of_statuses(&scan->status),
        "upstream_status", list_of_statuses(&scan->upstream_status),
        "calm", calm_of(scan),
        "blank", (long long)scan->blank,
        "not_m1", (long long)scan->not_m1,
        "refusals", lists_of_refusals(&scan->refusals),
        "left", list_of_places(&scan->left),
        "unknown_fields", counts_of_names(&scan->unknown),
        "newer_versions", (long long)scan->newer);
}

static PyObject *scan_data(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    Py_buffer data;
    unsigned long long seed;
    int strict, counted, untimed_too;
    double below_ms;
    long long since_us, until_us, slot_us;
    if (!PyArg_ParseTuple(arguments, "y*Kp(pdLLpL):scan", &data, &seed, &strict, &counted, &below_ms, &since_us,
                          &until_us, &untimed_too, &slot_us))
        return NULL;
    Calm calm = {counted != 0, below_ms, since_us, until_us, untimed_too != 0, slot_us};
    Scan scan;
    PyObject *result = NULL;
    if (data.len > INT32_MAX || slot_us < LEAST_SLOT_US) {
        PyErr_SetString(PyExc_ValueError, "over 2 GiB at once, or latency slots under ten minutes");
    } else if (!scan_init(&scan, seed, strict != 0, calm)) {
        scan_free(&scan);
        PyErr_NoMemory();
    } else {
        Py_BEGIN_ALLOW_THREADS
        scan_lines(&scan, data.buf, data.len);
        Py_END_ALLOW_THREADS
        result = scan.short_of_memory ? PyErr_NoMemory() : answer(&scan);
        scan_free(&scan);
    }
    PyBuffer_Release(&data);
    return result;
}

/* Blocks of lines are taken and given back for as long as a file lasts. By default each is handed to the system and asked
   for anew, page by page: an eighth of all the time. 32 MiB is as much as the allocator may be told to keep at once. */
static PyObject *keep_memory(PyObject *module, PyObject *wanted)
{
    (void)module;
    const int keep = PyObject_IsTrue(wanted);
    if (keep < 0)
        return NULL;
#if defined(__GLIBC__)
    mallopt(M_MMAP_THRESHOLD, 32 << 20);
    mallopt(M_TRIM_THRESHOLD, keep ? 1 << 30 : 1 << 20);
    if (!keep)
        malloc_trim(0);
#endif
    Py_RETURN_NONE;
}

/* What is kept lies in pieces between what is in use, and more and more of it is too small for the next block. */
static PyObject *give_back(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(nothing))
{
#if defined(__GLIBC__)
    Py_BEGIN_ALLOW_THREADS
    malloc_trim(0);
    Py_END_ALLOW_THREADS
#endif
    Py_RETURN_NONE;
}

static PyMethodDef METHODS[] = {
    {"filter_of", filter_of, METH_VARARGS,
     "filter_of(stream, count)\n--\n\nMake a filter of about `count` hashes; see attribute.logs.hashes, the only caller."},
    {"give_back", give_back, METH_NOARGS,
     "give_back()\n--\n\nGive back memory that is kept and not in use; see attribute.logs.raw_scan."},
    {"hash_texts", hash_texts, METH_O, "hash_texts(stream)\n--\n\nHash ids; see attribute.logs.hashes, the only caller."},
    {"keep_memory", keep_memory, METH_O,
     "keep_memory(wanted)\n--\n\nHave the process keep memory that is given back; see attribute.logs.raw_scan."},
    {"rows_in", rows_in, METH_VARARGS,
     "rows_in(filter, stream)\n--\n\nSay which hashes pass a filter; see attribute.logs.hashes, the only caller."},
    {"scan", scan_data, METH_VARARGS,
     "scan(data, seed, strict, calm)\n--\n\nRead whole lines; see attribute.logs.raw_scan, the only caller."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot SLOTS[] = {{0, NULL}};

static struct PyModuleDef MODULE = {
    PyModuleDef_HEAD_INIT, .m_name = "_scan", .m_size = 0, .m_methods = METHODS, .m_slots = SLOTS,
};

PyMODINIT_FUNC PyInit__scan(void)
{
    return PyModuleDef_Init(&MODULE);
}
