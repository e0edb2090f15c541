/*
 * Lines that hold no record: what they are, where that can be proved in a few steps.
 *
 * The exact path (attribute.logs.exact) defines it: a line in which no object opens is blank or not M1; one whose object
 * is sound JSON, does not claim to be M1 and carries nothing that could be a record is not M1; one whose object cannot
 * be JSON, however it goes on, is rejected as such.
 */
#ifndef ATTRIBUTE_SCANNER_OTHERS_H
#define ATTRIBUTE_SCANNER_OTHERS_H

#include "calm.h"

enum Other { UNTOLD, BLANK, NOT_M1, NO_JSON };

#define MOST_BRACKETS 32 /* attribute.logs.parsing.MAX_DEPTH: fewer are never too deep */
#define DEEPEST 16

static const char *const PAYLOAD_KEYS[] = {"log", "message", "msg", "event_message", "body"}; /* of attribute.logs.envelopes */
enum { CLAIMS = 1u << REQUEST_ID | 1u << FUNCTION | 1u << STATUS };

static bool is_white(uint8_t byte)
{
    return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

static const uint8_t *skip_white(const uint8_t *at, const uint8_t *end)
{
    while (at < end && is_white(*at))
        at++;
    return at;
}

/* White space of JSON; no line holds a newline. */
static const uint8_t *skip_blanks(const uint8_t *at, const uint8_t *end)
{
    while (at < end && (*at == ' ' || *at == '\t' || *at == '\r'))
        at++;
    return at;
}

/* Give the place of the brace that opens an object, as attribute.logs.envelopes.object_start does, or NULL. */
static const uint8_t *opening(const uint8_t *at, const uint8_t *end)
{
    const uint8_t *brace = memchr(at, '{', (size_t)(end - at));
    if (brace != NULL && skip_white(at, end) == brace)
        return brace;
    while (brace != NULL) {
        const uint8_t *next = skip_blanks(brace + 1, end);
        if (next == end || *next == '"' || *next == '}')
            return brace;
        brace = memchr(brace + 1, '{', (size_t)(end - brace - 1));
    }
    return NULL;
}

/* Pass over one character that is not ASCII; NULL where its bytes are no UTF-8. */
static const uint8_t *one_character(const uint8_t *at, const uint8_t *end)
{
    static const struct {
        uint8_t first, last; /* of the first byte */
        int more;
        uint8_t least, most; /* of the second one; all others are 80 to BF */
    } FORMS[] = {{0xC2, 0xDF, 1, 0x80, 0xBF}, {0xE0, 0xE0, 2, 0xA0, 0xBF}, {0xE1, 0xEC, 2, 0x80, 0xBF},
                 {0xED, 0xED, 2, 0x80, 0x9F}, {0xEE, 0xEF, 2, 0x80, 0xBF}, {0xF0, 0xF0, 3, 0x90, 0xBF},
                 {0xF1, 0xF3, 3, 0x80, 0xBF}, {0xF4, 0xF4, 3, 0x80, 0x8F}};
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

/* Pass over a text from behind its opening quote to behind its closing one; NULL also for an escape by number. */
static const uint8_t *json_text(const uint8_t *at, const uint8_t *end)
{
    while (at < end) {
        if (end - at >= 8) {
            int plain = bytes_before(special(word_at(at)));
            at += plain;
            if (plain == 8)
                continue;
        }
        if (*at == '"')
            return at + 1;
        if (*at >= 0x80) {
            at = one_character(at, end);
            if (at == NULL)
                return NULL;
        } else if (*at == '\\') {
            if (end - at < 2 || at[1] == 0 || strchr("\"\\/bfnrt", at[1]) == NULL)
                return NULL;
            at += 2;
        } else if (*at++ < 0x20) {
            return NULL;
        }
    }
    return NULL;
}

static const uint8_t *json_value(const uint8_t *at, const uint8_t *end, int depth);

/* Pass over a key, its colon and what may stand around them; NULL where there is none. */
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

static bool is_named(Span key, const char *name)
{
    return (size_t)key.size == strlen(name) && memcmp(key.text, name, (size_t)key.size) == 0;
}

static unsigned claim_of(Span key)
{
    return is_named(key, FIELD[REQUEST_ID].name) ? 1u << REQUEST_ID
           : is_named(key, FIELD[FUNCTION].name) ? 1u << FUNCTION
           : is_named(key, FIELD[STATUS].name)   ? 1u << STATUS
                                                 : 0;
}

/* Tell whether a record may lie in the value of a key: an object, or a text with a brace in it. */
static bool may_carry(Span key, const uint8_t *value, const uint8_t *value_end)
{
    for (size_t payload = 0; payload < sizeof PAYLOAD_KEYS / sizeof *PAYLOAD_KEYS; payload++) {
        if (is_named(key, PAYLOAD_KEYS[payload]))
            return memchr(value, '{', (size_t)(value_end - value)) != NULL;
    }
    return false;
}

/*
 * Pass over an object or an array, from its bracket on. Of the outermost object the keys by which it claims to be M1 go
 * into *claims*, and a value that may carry a record ends the reading; NULL then, and where it is no plain JSON.
 */
static const uint8_t *json_members(const uint8_t *at, const uint8_t *end, int depth, unsigned *claims)
{
    bool is_object = *at == '{';
    uint8_t closing = is_object ? '}' : ']';
    at = skip_blanks(at + 1, end);
    if (at < end && *at == closing)
        return at + 1;
    for (;;) {
        Span key = {NULL, 0};
        if (is_object)
            at = json_key(at, end, &key);
        const uint8_t *value = at;
        at = at == NULL ? NULL : json_value(at, end, depth);
        if (at == NULL)
            return NULL;
        if (claims != NULL) {
            *claims |= claim_of(key);
            if (may_carry(key, value, at))
                return NULL;
        }
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

static const uint8_t *json_value(const uint8_t *at, const uint8_t *end, int depth)
{
    if (at == end)
        return NULL;
    if (*at == '"')
        return json_text(at + 1, end);
    if (*at == '{' || *at == '[')
        return depth == DEEPEST ? NULL : json_members(at, end, depth + 1, NULL);
    return any_scalar(at, end);
}

/* Tell whether an object is sound JSON to the end of its line, and neither is a record nor can carry one. */
static bool is_other_object(const uint8_t *brace, const uint8_t *end)
{
    unsigned claims = 0;
    const uint8_t *at = json_members(brace, end, 1, &claims);
    return at != NULL && claims != CLAIMS && skip_blanks(at, end) == end;
}

/* Tell whether what begins with a brace is no JSON, nor too deep, nor of another encoding: that is looked for first. */
static bool is_no_json(const uint8_t *brace, const uint8_t *end)
{
    const uint8_t *first = skip_blanks(brace + 1, end), *last = end;
    while (last > brace && skip_blanks(last - 1, last) == last)
        last--;
    bool is_spoilt = last[-1] != '}' || (first < end && *first != '"' && *first != '}');
    int brackets = 0;
    for (const uint8_t *at = brace; is_spoilt && at < end; at++) {
        brackets += *at == '{' || *at == '[';
        bool is_escape = *at == '\\' && at + 1 < end && at[1] == 'u';
        if (*at >= 0x80 || is_escape || brackets > MOST_BRACKETS)
            return false;
    }
    return is_spoilt;
}

/* Say what a line is, given without its newline. */
static enum Other other(const uint8_t *at, const uint8_t *end)
{
    if (at < end && (*at == 0xEF || *at >= 0xFE)) /* perhaps a byte order mark */
        return UNTOLD;
    if (memchr(at, 0, (size_t)(end - at)) != NULL)
        return UNTOLD;
    const uint8_t *brace = opening(at, end);
    if (brace == NULL)
        return skip_white(at, end) == end ? BLANK : NOT_M1;
    if (is_other_object(brace, end))
        return NOT_M1;
    return is_no_json(brace, end) ? NO_JSON : UNTOLD;
}

#endif
