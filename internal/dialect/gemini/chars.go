package gemini

import "math/bits"

// maxIndexed is how much of a text citations can point into, in bytes: what a stream keeps of it is an eighth of that.
const maxIndexed = 1 << 20

// chars converts offsets in a text between bytes, which Google counts, and characters. It keeps one bit of each byte:
// whether a character begins there.
type chars struct {
	begins []uint64
	n      int // bytes indexed
}

// add appends text; pieces may end inside a character.
func (c *chars) add(text string) {
	for i := 0; i < len(text) && c.n < maxIndexed; i++ {
		if c.n%64 == 0 {
			c.begins = append(c.begins, 0)
		}
		if text[i]&0xC0 != 0x80 {
			c.begins[c.n/64] |= 1 << (c.n % 64)
		}
		c.n++
	}
}

// charsAt is how many characters begin before an offset in bytes; false where it is beyond the text.
func (c *chars) charsAt(at int) (int, bool) {
	if at < 0 || at > c.n {
		return 0, false
	}
	count := 0
	for i := range at / 64 {
		count += bits.OnesCount64(c.begins[i])
	}
	if rest := at % 64; rest > 0 {
		count += bits.OnesCount64(c.begins[at/64] & (1<<rest - 1))
	}
	return count, true
}

// count is how many characters there are.
func (c *chars) count() int {
	count, _ := c.charsAt(c.n)
	return count
}

// bytesAt is the offset in bytes at which a character begins; the end of the text is that of the one after the last.
func (c *chars) bytesAt(char int) (int, bool) {
	if char < 0 {
		return 0, false
	}
	for i, word := range c.begins {
		here := bits.OnesCount64(word)
		if char >= here {
			char -= here
			continue
		}
		for range char {
			word &= word - 1
		}
		return i*64 + bits.TrailingZeros64(word), true
	}
	return c.n, char == 0
}

// reset begins another text.
func (c *chars) reset() { c.begins, c.n = c.begins[:0], 0 }
