/* The hash of a request's id: the same in every process, whatever wrote it. */
#ifndef ATTRIBUTE_SCANNER_REQUEST_HASH_H
#define ATTRIBUTE_SCANNER_REQUEST_HASH_H

#include "names.h"

static uint64_t folded(uint64_t left, uint64_t right)
{
    unsigned __int128 product = (unsigned __int128)left * right;
    return (uint64_t)product ^ (uint64_t)(product >> 64) ^ left ^ right; /* so that a factor of 0 loses nothing */
}

static uint64_t word_of(const uint8_t *at, int32_t size)
{
    uint64_t word = 0;
    memcpy(&word, at, (size_t)size);
    return word;
}

static uint64_t request_hash(const uint8_t *at, int32_t size)
{
    uint64_t hash = 0xA0761D6478BD642Fu ^ (uint64_t)size;
    int32_t left = size;
    for (; left > 16; at += 16, left -= 16)
        hash = folded(word_of(at, 8) ^ 0xE7037ED1A0B428DBu, word_of(at + 8, 8) ^ hash);
    uint64_t first = word_of(at, left < 8 ? left : 8), second = left > 8 ? word_of(at + 8, left - 8) : 0;
    hash = folded(first ^ 0x8EBC6AF09C88C6E3u, second ^ hash);
    return folded(hash ^ 0x589965CC75374CC3u, 0x1D8E4E27C47D124Fu);
}

#endif
