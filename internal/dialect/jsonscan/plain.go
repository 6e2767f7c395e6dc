package jsonscan

import (
	"encoding/binary"
	"math/bits"
)

// Plain counts the bytes at the start of p that stand for themselves in a string: neither quote, backslash nor control
// character. Eight bytes at a time, by the usual trick: x-n has the high bit of a byte set where the byte was below n and
// its own high bit was not. A borrow can mark bytes too many, but only behind the first true one.
func Plain(p []byte) int {
	const (
		ones  = 0x0101010101010101
		highs = 0x8080808080808080
	)
	i := 0
	for ; i+8 <= len(p); i += 8 {
		x := binary.LittleEndian.Uint64(p[i:])
		quote := x ^ ones*'"'
		slash := x ^ ones*'\\'
		found := ((x-ones*0x20)&^x | (quote-ones)&^quote | (slash-ones)&^slash) & highs
		if found != 0 {
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
