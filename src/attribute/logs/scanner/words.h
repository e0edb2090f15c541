/* Eight bytes at a time: the first byte is the lowest one of the word, on every machine. */
#ifndef ATTRIBUTE_SCANNER_WORDS_H
#define ATTRIBUTE_SCANNER_WORDS_H

#include "arrow.h"

#define REPEATED(byte) (0x0101010101010101u * (uint64_t)(byte))
#define HIGH REPEATED(0x80)

static inline uint64_t word_at(const uint8_t *at)
{
    uint64_t word;
    memcpy(&word, at, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

/* Up to eight bytes, and zeros behind them; nothing else is read. */
static inline uint64_t short_word(const uint8_t *at, int32_t size)
{
    if (size >= 8)
        return word_at(at);
    uint64_t word = 0;
    for (int32_t byte = 0; byte < size; byte++)
        word |= (uint64_t)at[byte] << (8 * byte);
    return word;
}

/* The last `left` bytes, one to eight, of a text of `size` bytes, and zeros behind them. */
static inline uint64_t last_word(const uint8_t *end, int32_t left, int32_t size)
{
    return size >= 8 ? word_at(end - 8) >> (64 - 8 * left) : short_word(end - left, left);
}

/* How many bytes stand before the first one whose high bit is set; eight where none is. */
static inline int bytes_before(uint64_t marked)
{
    return marked == 0 ? 8 : __builtin_ctzll(marked) / 8;
}

/* Mark bytes over nine: with each less a zero, those that are no digits. No false mark comes before a true one. */
static inline uint64_t over_nine(uint64_t word)
{
    return ((word + REPEATED(0x76)) | word) & HIGH;
}

static inline bool same_bytes(const uint8_t *left, const uint8_t *right, int32_t size)
{
    if (size < 8)
        return short_word(left, size) == short_word(right, size);
    for (int32_t at = 0; at + 8 < size; at += 8) {
        if (word_at(left + at) != word_at(right + at))
            return false;
    }
    return word_at(left + size - 8) == word_at(right + size - 8);
}

#endif
