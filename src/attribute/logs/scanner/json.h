/* JSON whose shape nobody knows: passed over, where it is sound and within one line. Numbers with an exponent are not. */
#ifndef ATTRIBUTE_SCANNER_JSON_H
#define ATTRIBUTE_SCANNER_JSON_H

#include "values.h"

#define DEEPEST 16 /* attribute.logs.parsing.MAX_DEPTH allows more */

static const uint8_t *skip_blanks(const uint8_t *at, const uint8_t *end)
{
    while (at < end && (*at == ' ' || *at == '\t' || *at == '\r'))
        at++;
    return at;
}

/* Pass over one character that is not ASCII; NULL where its bytes are no UTF-8. */
static const uint8_t *wide_character(const uint8_t *at, const uint8_t *end)
{
    static const struct {
        uint8_t first, last; /* of the first byte */
        int more;
        uint8_t least, most; /* of the second one; all others are 80 to BF */
    } FORMS[] = {
        {0xC2, 0xDF, 1, 0x80, 0xBF},
        {0xE0, 0xE0, 2, 0xA0, 0xBF},
        {0xE1, 0xEC, 2, 0x80, 0xBF},
        {0xED, 0xED, 2, 0x80, 0x9F},
        {0xEE, 0xEF, 2, 0x80, 0xBF},
        {0xF0, 0xF0, 3, 0x90, 0xBF},
        {0xF1, 0xF3, 3, 0x80, 0xBF},
        {0xF4, 0xF4, 3, 0x80, 0x8F},
    };
    for (size_t form = 0; form < sizeof FORMS / sizeof *FORMS; form++) {
        if (*at < FORMS[form].first || *at > FORMS[form].last)
            continue;
        if (end - at <= FORMS[form].more || at[1] < FORMS[form].least || at[1] > FORMS[form].most)
            return NULL;
        for (int byte = 2; byte <= FORMS[form].more; byte++) {
            if (at[byte] < 0x80 || at[byte] > 0xBF)
                return NULL;
        }
        return at + FORMS[form].more + 1;
    }
    return NULL;
}

static int hex_digit(uint8_t byte)
{
    uint8_t letter = byte | 0x20;
    return is_digit(byte) ? byte - '0' : letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}

/* Read an escape from its backslash on: the character that it means; NULL where it is none, or half of a pair. */
static const uint8_t *escape(const uint8_t *at, const uint8_t *end, int *character)
{
    static const char SHORT[] = "\"\\/bfnrt", MEANT[] = "\"\\/\b\f\n\r\t";
    if (end - at < 2 || at[1] == 0)
        return NULL;
    const char *found = strchr(SHORT, at[1]);
    if (found != NULL) {
        *character = MEANT[found - SHORT];
        return at + 2;
    }
    if (at[1] != 'u' || end - at < 6)
        return NULL;
    *character = 0;
    for (int place = 2; place < 6; place++) {
        int digit = hex_digit(at[place]);
        if (digit < 0)
            return NULL;
        *character = 16 * *character + digit;
    }
    return *character >= 0xD800 && *character <= 0xDFFF ? NULL : at + 6;
}

/* Pass over a text from behind its opening quote to behind its closing one. */
static const uint8_t *json_text(const uint8_t *at, const uint8_t *end)
{
    int ignored;
    while (at != NULL && at < end) {
        if (end - at >= 8) {
            int plain = bytes_before(special(word_at(at)));
            at += plain;
            if (plain == 8)
                continue;
        }
        if (*at == '"')
            return at + 1;
        if (*at < 0x20)
            return NULL;
        at = *at >= 0x80 ? wide_character(at, end) : *at == '\\' ? escape(at, end, &ignored) : at + 1;
    }
    return NULL;
}

/* Pass over a key, its colon and what may stand around them. */
static const uint8_t *json_key(const uint8_t *at, const uint8_t *end, Span *key)
{
    if (at == end || *at != '"')
        return NULL;
    key->text = at + 1;
    at = json_text(at + 1, end);
    if (at == NULL)
        return NULL;
    key->size = (int32_t)(at - 1 - key->text);
    at = skip_blanks(at, end);
    return at < end && *at == ':' ? skip_blanks(at + 1, end) : NULL;
}

static const uint8_t *json_value(const uint8_t *at, const uint8_t *end, int depth);

/* Pass over an object or an array, from its bracket on. */
static const uint8_t *json_members(const uint8_t *at, const uint8_t *end, int depth)
{
    Span ignored;
    bool is_object = *at == '{';
    uint8_t closing = is_object ? '}' : ']';
    at = skip_blanks(at + 1, end);
    if (at < end && *at == closing)
        return at + 1;
    for (;;) {
        if (is_object)
            at = json_key(at, end, &ignored);
        at = at == NULL ? NULL : json_value(at, end, depth);
        if (at == NULL)
            return NULL;
        at = skip_blanks(at, end);
        if (at == end)
            return NULL;
        if (*at == closing)
            return at + 1;
        if (*at++ != ',')
            return NULL;
        at = skip_blanks(at, end);
    }
}

/* Pass over a value that lies in so many objects and arrays. */
static const uint8_t *json_value(const uint8_t *at, const uint8_t *end, int depth)
{
    if (at == end)
        return NULL;
    if (*at == '{' || *at == '[')
        return depth == DEEPEST ? NULL : json_members(at, end, depth + 1);
    return *at == '"' ? json_text(at + 1, end) : bare_scalar(at, end);
}

#endif
