/* The hash of a request's id: the same in every process, whatever wrote it. */
#ifndef ATTRIBUTE_SCANNER_REQUEST_HASH_H
#define ATTRIBUTE_SCANNER_REQUEST_HASH_H

#include "names.h"

static uint64_t folded(uint64_t left, uint64_t right)
{
    unsigned __int128 product = (unsigned __int128)left * right;
    return (uint64_t)product ^ (uint64_t)(product >> 64) ^ left ^ right; /* so that a factor of 0 loses nothing */
}

static uint64_t request_hash(const uint8_t *at, int32_t size)
{
    uint64_t hash = 0xA0761D6478BD642Fu ^ (uint64_t)size;
    int32_t left = size;
    for (; left > 16; at += 16, left -= 16)
        hash = folded(word_at(at) ^ 0xE7037ED1A0B428DBu, word_at(at + 8) ^ hash);
    uint64_t first = short_word(at, left), second = left > 8 ? last_word(at + left, left - 8, left) : 0;
    hash = folded(first ^ 0x8EBC6AF09C88C6E3u, second ^ hash);
    return folded(hash ^ 0x589965CC75374CC3u, 0x1D8E4E27C47D124Fu);
}

#endif
