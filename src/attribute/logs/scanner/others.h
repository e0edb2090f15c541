/*
 * Lines that are no record by themselves: what they are, where that can be proved in a few steps.
 *
 * The exact path (attribute.logs.exact) defines it: a line in which no object opens is blank or not M1; one whose object
 * is sound JSON, does not claim to be M1 and carries nothing that could be a record is not M1; one whose object cannot
 * be JSON, however it goes on, is rejected as such.
 */
#ifndef ATTRIBUTE_SCANNER_OTHERS_H
#define ATTRIBUTE_SCANNER_OTHERS_H

#include "json.h"
#include "rows.h"

enum Other { UNTOLD, BLANK, NOT_M1, NO_JSON, CLAIMED, ENVELOPE, REJECTED };

#define MOST_BRACKETS 32 /* attribute.logs.parsing.MAX_DEPTH: so many are never too deep */
#define PAYLOAD_KEY_COUNT 5
#define TIME_KEY_COUNT 4

/* Of attribute.logs.envelopes; a test holds the two together. */
static const char *const PAYLOAD_KEYS[PAYLOAD_KEY_COUNT] = {"log", "message", "msg", "event_message", "body"};
static const char *const TIME_KEYS[TIME_KEY_COUNT] = {"time", "timestamp", "@timestamp", "ts"};

typedef struct {
    Span key;
    const uint8_t *value, *end;
} Member;

typedef struct {
    Member members[MOST_MEMBERS]; /* of the outermost object */
    int count;
    const Member *payload; /* the one in which a record may lie */
    const uint8_t *brace;
} Outside;

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

static bool is_named(Span key, const char *name)
{
    return (size_t)key.size == strlen(name) && memcmp(key.text, name, (size_t)key.size) == 0;
}

static const Member *member_named(const Outside *outside, const char *name)
{
    for (int number = 0; number < outside->count; number++) {
        if (is_named(outside->members[number].key, name))
            return &outside->members[number];
    }
    return NULL;
}

/* Read the members of an object that ends with its line; false where it is no sound JSON, or a key is spelled oddly. */
static bool read_members(Outside *outside, const uint8_t *brace, const uint8_t *end)
{
    const uint8_t *at = skip_blanks(brace + 1, end);
    outside->count = 0;
    if (at < end && *at == '}')
        return skip_blanks(at + 1, end) == end;
    while (outside->count < MOST_MEMBERS) {
        Member *member = &outside->members[outside->count++];
        at = json_key(at, end, &member->key);
        if (at == NULL || memchr(member->key.text, '\\', (size_t)member->key.size) != NULL)
            return false;
        member->value = at;
        member->end = at = json_value(at, end, 1);
        at = at == NULL ? NULL : skip_blanks(at, end);
        if (at == NULL || at == end)
            return false;
        if (*at == '}')
            return skip_blanks(at + 1, end) == end;
        if (*at != ',')
            return false;
        at = skip_blanks(at + 1, end);
    }
    return false;
}

/* Tell whether a record may lie in a value: an object, or a text with a brace, however that is spelled. */
static bool may_carry(const Member *member)
{
    size_t size = (size_t)(member->end - member->value);
    if (*member->value != '"')
        return *member->value == '{';
    if (memchr(member->value, '{', size) != NULL)
        return true;
    const uint8_t *at = member->value;
    while ((at = memchr(at, '\\', (size_t)(member->end - at))) != NULL) {
        if (at[1] == 'u')
            return true;
        at += 2;
    }
    return false;
}

/* Say what a sound object is that is all of its line from its brace on. */
static enum Other object_kind(Outside *outside)
{
    static const int CLAIMS[] = {REQUEST_ID, FUNCTION, STATUS};
    size_t claims = 0;
    while (claims < sizeof CLAIMS / sizeof *CLAIMS && member_named(outside, FIELD[CLAIMS[claims]].name) != NULL)
        claims++;
    if (claims == sizeof CLAIMS / sizeof *CLAIMS)
        return CLAIMED;
    int carriers = 0;
    for (int number = 0; number < outside->count; number++) {
        const Member *member = &outside->members[number];
        for (int payload = 0; payload < PAYLOAD_KEY_COUNT; payload++) {
            if (!is_named(member->key, PAYLOAD_KEYS[payload]) || !may_carry(member))
                continue;
            carriers++;
            outside->payload = member;
        }
    }
    return carriers == 0 ? NOT_M1 : carriers == 1 ? ENVELOPE : UNTOLD; /* which of many counts is for others to say */
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
        bool is_numbered = *at == '\\' && at + 1 < end && at[1] == 'u';
        if (*at >= 0x80 || is_numbered || brackets > MOST_BRACKETS)
            return false;
    }
    return is_spoilt;
}

/*
 * Say what a text without a newline is: a line, or what an envelope carries. Where it is CLAIMED or an ENVELOPE, *outside*
 * is its object.
 */
static enum Other other(Outside *outside, const uint8_t *at, const uint8_t *end)
{
    if (at < end && (*at == 0xEF || *at >= 0xFE)) /* perhaps a byte order mark */
        return UNTOLD;
    if (memchr(at, 0, (size_t)(end - at)) != NULL)
        return UNTOLD;
    const uint8_t *brace = opening(at, end);
    if (brace == NULL)
        return skip_white(at, end) == end ? BLANK : NOT_M1;
    outside->brace = brace;
    if (read_members(outside, brace, end))
        return object_kind(outside);
    return is_no_json(brace, end) ? NO_JSON : UNTOLD;
}

#endif
