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
	text = text[:min(len(text), maxIndexed-c.n)]
	for ; len(text) >= 8; text = text[8:] {
		if text[0]|text[1]|text[2]|text[3]|text[4]|text[5]|text[6]|text[7] < 0x80 { // a character each
			c.put(0xFF, 8)
			continue
		}
		var begins uint64
		for i := range 8 {
			begins |= begin(text[i]) << i
		}
		c.put(begins, 8)
	}
	for i := range len(text) {
		c.put(begin(text[i]), 1)
	}
}

// begin is 1 where a byte begins a character.
func begin(b byte) uint64 {
	if b&0xC0 == 0x80 {
		return 0
	}
	return 1
}

// put appends the bits of n bytes.
func (c *chars) put(begins uint64, n int) {
	at := c.n % 64
	if at == 0 {
		c.begins = append(c.begins, 0)
	}
	c.begins[len(c.begins)-1] |= begins << at
	if at+n > 64 {
		c.begins = append(c.begins, begins>>(64-at))
	}
	c.n += n
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
