// Package tokens estimates how many tokens a text has, for answers whose vendor gave no usage. It counts with the
// o200k vocabulary (embedded; no network), which is within some 10 % for vendors with vocabularies of their own.
package tokens

import (
	"sync"
	"unicode/utf8"

	"github.com/tiktoken-go/tokenizer/codec"
)

const (
	// MaxSample is how many bytes of a text are counted; what lies beyond is taken to be like them. It bounds the memory
	// and time of an estimate: about 4 ms for the whole sample.
	MaxSample = 32 << 10

	// BytesPerToken is the rule of thumb where counting is not worth its time: English has 4 to 5 bytes a token, Chinese
	// and code about 3.
	BytesPerToken = 4

	// window bounds the merging of one word, which costs the square of its length: base64 and the like are one word.
	window = 1 << 10
)

// vocabulary takes some 30 ms and 7 MB to build, which only a gateway with a silent vendor has to pay. It is asked for by its own
// name: asked for by a name at run time, the other three would be in the program as well.
var vocabulary = sync.OnceValue(codec.NewO200kBase)

var samples = sync.Pool{New: func() any { return new([]byte) }}

// A Text collects a text that comes in pieces, to be counted at the end if need be. It keeps the first MaxSample bytes
// and the length of the rest. The zero Text is empty and ready. It is not safe for concurrent use.
type Text struct {
	sample *[]byte
	total  int64
}

// Write adds a piece. It never fails.
func (t *Text) Write(piece []byte) (int, error) {
	t.total += int64(len(piece))
	if t.sample == nil {
		t.sample = samples.Get().(*[]byte)
	}
	if room := MaxSample - len(*t.sample); room > 0 {
		*t.sample = append(*t.sample, piece[:min(room, len(piece))]...)
	}
	return len(piece), nil
}

// Skip adds n bytes of text that are not shown: they count like those that were.
func (t *Text) Skip(n int64) { t.total += n }

// Len is the length in bytes of all that was added.
func (t *Text) Len() int64 { return t.total }

// Tokens estimates the tokens of all that was added.
func (t *Text) Tokens() int64 {
	if t.sample == nil || len(*t.sample) == 0 {
		return Rough(t.total)
	}
	counted := count(*t.sample)
	if rest := t.total - int64(len(*t.sample)); rest > 0 {
		counted += int64(float64(counted) * float64(rest) / float64(len(*t.sample)))
	}
	return counted
}

// Reset empties the text and gives its memory back.
func (t *Text) Reset() {
	if t.sample != nil {
		*t.sample = (*t.sample)[:0]
		samples.Put(t.sample)
	}
	*t = Text{}
}

// Count estimates the tokens of a whole text.
func Count(text []byte) int64 {
	sample := text[:min(len(text), MaxSample)]
	if len(sample) == len(text) {
		return count(text)
	}
	return int64(float64(count(sample)) * float64(len(text)) / float64(len(sample)))
}

// Rough is the rule of thumb for bytes of text, without looking at them.
func Rough(bytes int64) int64 { return (bytes + BytesPerToken - 1) / BytesPerToken }

func count(text []byte) int64 {
	c := vocabulary()
	var total int64
	for len(text) > 0 {
		n := cut(text)
		counted, err := c.Count(string(text[:n]))
		if err != nil {
			counted = int(Rough(int64(n)))
		}
		total += int64(counted)
		text = text[n:]
	}
	return total
}

// cut is where the next window ends: before the last space in it, where words and so tokens begin, else at the start of
// a rune.
func cut(text []byte) int {
	if len(text) <= window {
		return len(text)
	}
	for n := window; n > window/2; n-- {
		if text[n] == ' ' || text[n] == '\n' {
			return n
		}
	}
	for n := window; n > window-utf8.UTFMax; n-- {
		if utf8.RuneStart(text[n]) {
			return n
		}
	}
	return window
}
