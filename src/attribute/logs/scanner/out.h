/* The columns, out through Arrow. */
#ifndef ATTRIBUTE_SCANNER_OUT_H
#define ATTRIBUTE_SCANNER_OUT_H

#include "reading.h"

static void release_schema(struct ArrowSchema *schema)
{
    for (int64_t child = 0; child < schema->n_children; child++) {
        if (schema->children[child]->release != NULL)
            schema->children[child]->release(schema->children[child]);
        free(schema->children[child]);
    }
    free(schema->children);
    schema->release = NULL;
}

static void release_array(struct ArrowArray *array)
{
    for (int64_t child = 0; child < array->n_children; child++) {
        if (array->children[child]->release != NULL)
            array->children[child]->release(array->children[child]);
        free(array->children[child]);
    }
    for (int64_t buffer = 0; buffer < array->n_buffers; buffer++)
        free((void *)array->buffers[buffer]);
    free(array->buffers);
    free(array->children);
    array->release = NULL;
}

static bool make_schema(const Table *table, struct ArrowSchema *schema)
{
    *schema = (struct ArrowSchema){.format = "+s", .name = "", .release = release_schema};
    schema->children = calloc((size_t)table->column_count, sizeof *schema->children);
    if (schema->children == NULL)
        return false;
    for (int column = 0; column < table->column_count; column++) {
        struct ArrowSchema *child = malloc(sizeof *child);
        if (child == NULL)
            return false;
        *child = (struct ArrowSchema){
            .format = table->columns[column].format,
            .name = table->columns[column].name,
            .flags = table->columns[column].nullable ? ARROW_FLAG_NULLABLE : 0,
            .release = release_schema,
        };
        schema->children[schema->n_children++] = child;
    }
    return true;
}

/* Give the room behind *used* bytes back: what leaves may be held for long. */
static void fit(void **data, int64_t used)
{
    void *fitting = used > 0 ? realloc(*data, (size_t)used) : NULL;
    if (fitting != NULL)
        *data = fitting;
}

/* Hand one column over; its memory is the array's from then on. */
static bool move_column(Table *table, int column, struct ArrowArray *array)
{
    bool is_text = table->columns[column].format[0] == 'v';
    *array = (struct ArrowArray){.length = table->rows, .null_count = table->nulls[column], .release = release_array};
    array->buffers = calloc(4, sizeof *array->buffers);
    if (array->buffers == NULL)
        return false;
    array->n_buffers = is_text ? 4 : 2;
    if (table->nulls[column] != 0) {
        array->buffers[0] = table->valid[column];
        table->valid[column] = NULL;
    }
    fit(&table->data[column], table->rows * (int64_t)table->columns[column].width);
    array->buffers[1] = table->data[column];
    table->data[column] = NULL;
    if (is_text) {
        int64_t *sizes = malloc(sizeof *sizes);
        if (sizes == NULL)
            return false;
        *sizes = table->texts_size;
        fit((void **)&table->texts, table->texts_size);
        array->buffers[2] = table->texts;
        array->buffers[3] = sizes;
        table->texts = NULL;
    }
    return true;
}

static bool make_array(Table *table, struct ArrowArray *array)
{
    *array = (struct ArrowArray){.length = table->rows, .release = release_array};
    array->buffers = calloc(1, sizeof *array->buffers);
    array->children = calloc((size_t)table->column_count, sizeof *array->children);
    if (array->buffers == NULL || array->children == NULL)
        return false;
    array->n_buffers = 1;
    for (int column = 0; column < table->column_count; column++) {
        struct ArrowArray *child = calloc(1, sizeof *child);
        if (child == NULL)
            return false;
        array->children[array->n_children++] = child;
        if (!move_column(table, column, child))
            return false;
    }
    return true;
}

static void destroy_schema(PyObject *capsule)
{
    struct ArrowSchema *schema = PyCapsule_GetPointer(capsule, "arrow_schema");
    if (schema->release != NULL)
        schema->release(schema);
    free(schema);
}

static void destroy_array(PyObject *capsule)
{
    struct ArrowArray *array = PyCapsule_GetPointer(capsule, "arrow_array");
    if (array->release != NULL)
        array->release(array);
    free(array);
}

static PyObject *schema_capsule(const Table *table)
{
    struct ArrowSchema *schema = calloc(1, sizeof *schema);
    if (schema == NULL)
        return PyErr_NoMemory();
    PyObject *capsule =
        make_schema(table, schema) ? PyCapsule_New(schema, "arrow_schema", destroy_schema) : PyErr_NoMemory();
    if (capsule == NULL) {
        release_schema(schema);
        free(schema);
    }
    return capsule;
}

static PyObject *array_capsule(Table *table)
{
    struct ArrowArray *array = calloc(1, sizeof *array);
    if (array == NULL)
        return PyErr_NoMemory();
    PyObject *capsule =
        make_array(table, array) ? PyCapsule_New(array, "arrow_array", destroy_array) : PyErr_NoMemory();
    if (capsule == NULL) {
        release_array(array);
        free(array);
    }
    return capsule;
}

/* Give a table as the pair of capsules that `__arrow_c_array__` returns. */
static PyObject *columns_of(Table *table)
{
    return Py_BuildValue("NN", schema_capsule(table), array_capsule(table));
}

#endif
