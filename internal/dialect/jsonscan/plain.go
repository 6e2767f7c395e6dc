package jsonscan

import (
	"encoding/binary"
	"math/bits"
)

// ones has a one in each byte, highs the high bit of each.
const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// Plain counts the bytes at the start of p that stand for themselves in a string: neither quote, backslash nor control
// character.
func Plain(p []byte) int {
	i := 0
	if len(p) >= 8 { // most strings are short
		if found := marks(binary.LittleEndian.Uint64(p)) & highs; found != 0 {
			return bits.TrailingZeros64(found) / 8
		}
		i = 8
	}
	for ; i+32 <= len(p); i += 32 {
		b := p[i : i+32]
		one, two := binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])
		three, four := binary.LittleEndian.Uint64(b[16:]), binary.LittleEndian.Uint64(b[24:])
		if (marks(one)|marks(two)|marks(three)|marks(four))&highs != 0 {
			break
		}
	}
	for ; i+8 <= len(p); i += 8 {
		if found := marks(binary.LittleEndian.Uint64(p[i:])) & highs; found != 0 {
			return i + bits.TrailingZeros64(found)/8
		}
	}
	for ; i < len(p); i++ {
		if c := p[i]; c == '"' || c == '\\' || c < 0x20 {
			break
		}
	}
	return i
}

// PlainEight counts the bytes at the start of eight that stand for themselves. The first is the lowest.
func PlainEight(eight uint64) int { return bits.TrailingZeros64(marks(eight)&highs) / 8 }

// marks has the high bit of each of eight bytes that is not plain, by the usual trick: x-n has it where the byte was below n
// and its own high bit was not. A borrow can mark bytes too many, but only behind the first true one. With its second bit
// turned, a quote is 0x20, behind the control characters.
func marks(x uint64) uint64 {
	turned, slash := x^ones*2, x^ones*'\\'
	return (turned-ones*0x21)&^turned | (slash-ones)&^slash
}
